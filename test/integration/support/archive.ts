/** What is wrong with an ACI as a tar archive, as other programs read it. */

import { createReadStream } from 'node:fs';
import { extract, type Header } from 'tar-stream';
import { runTool } from '../../support/process.js';
import { listWithTar } from '../../support/tar-tool.js';

/** One line for each rule of an ACI (appc specification, aci.md) that the file breaks. */
export async function archiveProblems(path: string): Promise<string[]> {
  const headers = await readHeaders(path);
  const names = headers.map(({ name }) => name.replace(/\/$/, ''));
  const problems: string[] = [];
  if (names[0] !== 'manifest' || headers[0]?.type !== 'file') problems.push('the manifest is not first');
  if (names[1] !== 'rootfs' || headers[1]?.type !== 'directory') problems.push('rootfs is not second');
  const seen = new Map<string, Header['type']>();
  for (const [index, { type, linkname }] of headers.entries()) {
    const name = names[index] ?? '';
    if (index > 0 && name !== 'rootfs' && !name.startsWith('rootfs/'))
      problems.push(`${name} is outside rootfs`);
    if (seen.has(name)) problems.push(`${name} is there twice`);
    if (/(^|\/)\.wh\./.test(name)) problems.push(`${name} is a whiteout`);
    const target = type === 'link' ? seen.get(linkname ?? '') : undefined;
    if (type === 'link' && (target === undefined || target === 'directory')) {
      problems.push(`${name} links to ${linkname}, which is no file before it`);
    }
    seen.set(name, type);
  }
  const listed = await listWithTar(path);
  // A name with a newline takes two lines of the listing.
  const lines = names.reduce((sum, name) => sum + name.split('\n').length, 0);
  if (listed.length !== lines) problems.push(`GNU tar lists ${listed.length} lines, tar-stream ${lines}`);
  const { stderr } = await runTool('tar', ['--list', '--verbose', '--file', path]);
  if (stderr !== '') problems.push(`GNU tar says: ${stderr}`);
  return problems;
}

/** Every header of an archive, by tar-stream. */
export async function readHeaders(path: string): Promise<Header[]> {
  const headers: Header[] = [];
  const entries = extract();
  createReadStream(path).pipe(entries);
  for await (const entry of entries) {
    headers.push(entry.header);
    entry.resume();
  }
  return headers;
}
