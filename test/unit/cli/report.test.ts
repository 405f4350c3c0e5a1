/** The file of a report, against a real file system. */

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkReport, writeReport } from '../../../src/cli/report.js';
import { tempDir } from '../../support/temp.js';

const REPORT = { summary: { images: 1 }, images: [{ image: 'docker://a' }] };

describe('a report', () => {
  it('takes the place of an earlier one, which whoever reads it keeps whole', async () => {
    const dir = tempDir();
    const path = join(dir, 'report.json');
    writeFileSync(path, 'the earlier one');
    const reader = openSync(path, 'r');
    await checkReport(path);
    await writeReport(path, REPORT);
    expect(readFileSync(reader, 'utf8')).toBe('the earlier one');
    closeSync(reader);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(REPORT);
    expect(readdirSync(dir)).toEqual(['report.json']);
  });

  it.each<[title: string, names: readonly string[], isThere: boolean]>([
    ['an earlier file', ['link'], true],
    ['a link to an earlier file', ['link', 'other'], true],
    ['a file that is not there yet', ['link'], false],
    ['a link to one that is not there yet', ['link', 'other'], false],
  ])('replaces what a link leads to, and not the link: %s', async (_, names, isThere) => {
    const [links, files] = [tempDir(), tempDir()];
    const target = join(files, 'report.json');
    if (isThere) writeFileSync(target, 'the earlier one');
    // Relative, from the folder that the link is in.
    symlinkSync(relative(links, target), join(links, names.at(-1) ?? ''));
    for (const name of names.slice(0, -1)) symlinkSync(names.at(-1) ?? '', join(links, name));
    const path = join(links, 'link');
    await checkReport(path);
    await writeReport(path, REPORT);
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(lstatSync(target).isFile()).toBe(true);
    expect(JSON.parse(readFileSync(target, 'utf8'))).toEqual(REPORT);
    expect([readdirSync(files), readdirSync(links)]).toEqual([['report.json'], names]);
  });

  it.each<[title: string, target: string]>([
    ['a folder that is not there', join('none', 'report.json')],
    ['itself', 'link'],
    ['a folder', '.'],
  ])('behind a link to %s is refused before anything is done', async (_, target) => {
    const path = join(tempDir(), 'link');
    symlinkSync(target, path);
    await expect(checkReport(path)).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(writeReport(path, REPORT)).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
  });

  it('goes through a pipe that is named', async () => {
    const path = join(tempDir(), 'pipe');
    execFileSync('mkfifo', [path]);
    const [text] = await Promise.all([readFile(path, 'utf8'), writeReport(path, REPORT)]);
    expect(JSON.parse(text)).toEqual(REPORT);
  });

  it.each<[title: string, place: (dir: string) => string]>([
    ['a folder', (dir) => dir],
    ['a file in a folder that is not there', (dir) => join(dir, 'none', 'report.json')],
    ['a file whose name is too long', (dir) => join(dir, 'x'.repeat(300))],
  ])('that cannot be written to %s is an error, and leaves nothing', async (_, place) => {
    const dir = join(tempDir(), 'reports');
    mkdirSync(dir);
    await expect(writeReport(place(dir), REPORT)).rejects.toMatchObject({ code: 'ERR_IO', exitCode: 8 });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('into a folder that is not there is refused before anything is done', async () => {
    const path = join(tempDir(), 'none', 'report.json');
    await expect(checkReport(path)).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});
