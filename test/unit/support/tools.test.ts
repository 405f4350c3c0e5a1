import { chmodSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, createCertificate } from '../../support/certificates.js';
import { type DockerRegistry, startDockerRegistry } from '../../support/docker-registry.js';
import { buildDockerImage, sha256 } from '../../support/images/docker.js';
import { writeOciLayout } from '../../support/images/oci-layout.js';
import { aciEnvironment, run, runTool, start } from '../../support/process.js';
import { pushLayout } from '../../support/skopeo.js';
import { tempDir } from '../../support/temp.js';
import { hasTool, requireTools } from '../../support/tools.js';
import { describeTree, diffTrees } from '../../support/tree.js';

const image = buildDockerImage({ layers: [[{ path: 'etc/hello', data: 'hello' }]], mediaTypes: 'oci' });

describe('looking for tools', () => {
  it('finds what is on the PATH, and no more', () => {
    expect(hasTool('sh')).toBe(true);
    expect(hasTool('no-such-tool-here')).toBe(false);
  });
});

describe('running processes', () => {
  it('gives input and collects output, exit code and signal', async () => {
    const script = 'cat; echo err >&2; exit 3';
    expect(await run('sh', ['-c', script], { input: 'in' })).toMatchObject({
      code: 3,
      stdout: 'in',
      stderr: 'err\n',
    });
    const sleeping = start('sh', ['-c', 'echo ready >&2; exec sleep 20']);
    await sleeping.waitForStderr(/ready/);
    sleeping.kill();
    expect(await sleeping.done).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('rejects for a process that cannot start, fails as a tool, or takes too long', async () => {
    await expect(run('no-such-tool-here', [])).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(runTool('sh', ['-c', 'echo why >&2; exit 1'])).rejects.toThrow('why');
    await expect(run('sleep', ['20'], { timeoutMs: 50 })).rejects.toThrow('not done after 50 ms');
  });

  it('gives the command line an environment without this one', () => {
    expect(
      Object.keys(aciEnvironment({ dir: '/store' })).filter(
        (name) => !/^(PATH|HOME|TMPDIR|XDG_|ACI_)/.test(name),
      ),
    ).toEqual([]);
    expect(aciEnvironment({ dir: '/store' })['ACI_DIR']).toBe('/store');
  });
});

describe('describing trees', () => {
  async function treeOf(change: (directory: string) => void): ReturnType<typeof describeTree> {
    const directory = tempDir();
    for (const name of ['a', 'b']) writeFileSync(join(directory, name), name);
    linkSync(join(directory, 'a'), join(directory, 'c'));
    symlinkSync('a', join(directory, 's'));
    change(directory);
    for (const name of ['a', 'b', '.']) utimesSync(join(directory, name), 1, 1);
    return await describeTree(directory);
  }

  it.each<[string, (directory: string) => void, string | RegExp]>([
    ['a mode', (directory) => chmodSync(join(directory, 'b'), 0o600), /^b: mode/],
    ['content', (directory) => writeFileSync(join(directory, 'b'), 'B'), /^b: sha256/],
    ['a new name', (directory) => mkdirSync(join(directory, 'n')), 'n: only in right'],
    ['a hard link', (directory) => linkSync(join(directory, 'b'), join(directory, 'z')), /^b: hardLinkGroup/],
  ])('finds %s', async (_, change, line) => {
    const ignore = [/^s$/] as const;
    const same = await treeOf(() => {});
    expect(diffTrees(same, await treeOf(() => {}), { ignore })).toEqual([]);
    expect(diffTrees(same, await treeOf(change), { ignore })[0]).toMatch(line);
  });

  it.runIf(requireTools(['setfattr', 'getfattr']))(
    'finds an extended attribute, under names of any bytes',
    async () => {
      const [left, right] = [tempDir(), tempDir()];
      for (const directory of [left, right]) writeFileSync(join(directory, 'gr\u00fc\\n =x'), '');
      await runTool('setfattr', ['-n', 'user.mark', '-v', 'yes', join(right, 'gr\u00fc\\n =x')]);
      expect(diffTrees(await describeTree(left), await describeTree(right), { ignore: ['mtime'] })).toEqual([
        'gr\u00fc\\n =x: xattrs {} in left, {"user.mark":"eWVz"} in right',
      ]);
    },
  );
});

describe.runIf(requireTools(['docker-registry', 'skopeo']))('the real registry', () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await startDockerRegistry();
  });
  afterAll(() => registry.close());

  it.each(['oci', 'v2s2'] as const)('takes a built image as %s and gives it back', async (format) => {
    const layout = tempDir();
    await writeOciLayout(layout, [{ ref: 'latest', image }]);
    await pushLayout({
      layout,
      ref: 'latest',
      registryHost: registry.host,
      target: `team/${format}:1.0`,
      format,
    });
    const answer = await fetch(`${registry.url}/v2/team/${format}/manifests/1.0`, {
      headers: { accept: `${image.mediaType}, application/vnd.docker.distribution.manifest.v2+json` },
    });
    const manifest = (await answer.json()) as { layers: { digest: string }[] };
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(image.layers.map(({ digest }) => digest));
    const digest = manifest.layers[0]?.digest;
    const blob = await fetch(`${registry.url}/v2/team/${format}/blobs/${digest}`);
    expect(sha256(new Uint8Array(await blob.arrayBuffer()))).toBe(digest);
  });
});

describe.runIf(requireTools(['docker-registry', 'openssl']))('the real registry with TLS', () => {
  it('answers those who know its certificate', async () => {
    const tls: Certificate = await createCertificate();
    const registry = await startDockerRegistry({ tls });
    const script = `fetch('${registry.url}/v2/').then((answer) => console.log(answer.status))`;
    const ask = (env: Record<string, string>) => run(process.execPath, ['-e', script], { env });
    expect((await ask({ NODE_EXTRA_CA_CERTS: tls.certPath })).stdout).toBe('200\n');
    expect((await ask({})).code).not.toBe(0);
    await registry.close();
  });
});
