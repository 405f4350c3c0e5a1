/** Real images from the real registry, compared entry by entry with what umoci unpacks. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, createCertificate } from '../support/certificates.js';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.js';
import { buildDockerImage, buildIndex, sha256 } from '../support/images/docker.js';
import { writeOciLayout } from '../support/images/oci-layout.js';
import { SCHEMA1_SIGNED } from '../support/images/schema1.js';
import { runAci } from '../support/process.js';
import { pushLayout } from '../support/skopeo.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees, type Tree } from '../support/tree.js';
import { umociUnpack } from '../support/umoci.js';
import { archiveProblems } from './support/archive.js';
import { aci, INSECURE } from './support/commands.js';
import { withEngine } from './support/engine.js';
import { type LayeredImage, layeredImage } from './support/layered-image.js';

/** Added to every image, as Docker's run-time has them. */
const STDIO_LINKS = ['dev/fd', 'dev/stderr', 'dev/stdin', 'dev/stdout'];

const hasRegistry = requireTools(['docker-registry', 'skopeo']);

describe.runIf(isRoot() && hasRegistry && requireTools(['umoci', 'tar', 'getfattr', 'setfattr']))(
  'an image of a real root file system',
  () => {
    let registry: DockerRegistry;
    let image: LayeredImage;
    let plainTree: Tree;
    let oddTree: Tree;
    const unpack = async (ref: string): Promise<Tree> =>
      describeTree(await umociUnpack(image.layout, ref, join(tempDir(), 'bundle')));
    const push = (ref: string, target: string, format: 'oci' | 'v2s2' | 'v2s1'): Promise<void> =>
      pushLayout({ layout: image.layout, ref, registryHost: registry.host, target, format });

    beforeAll(async () => {
      [image, registry] = await Promise.all([layeredImage(), startDockerRegistry()]);
      await push(image.plainRef, 'team/rootfs:oci', 'oci');
      await push(image.plainRef, 'team/rootfs:v2s2', 'v2s2');
      await push(image.plainRef, 'team/rootfs:v2s1', 'v2s1');
      await push(image.oddRef, 'team/rootfs:odd', 'oci');
      [plainTree, oddTree] = await Promise.all([unpack(image.plainRef), unpack(image.oddRef)]);
    });
    afterAll(() => registry.close());

    it('has in it, by the word of umoci, what the next tests are to compare', () => {
      expect(plainTree.size).toBeGreaterThan(500);
      const node = (path: string) => plainTree.get(`special/${path}`);
      expect(node('setuid')?.mode).toBe(0o4755);
      expect(node('owned')).toMatchObject({ uid: 4_000_000_000, hardLinkGroup: 'special/0-first' });
      expect(node('capable')?.xattrs).toHaveProperty(['security.capability']);
      expect(node('marked')).toMatchObject({ xattrs: { 'user.mark': 'AP89Cg==' } });
      expect(node('dev/disk')).toMatchObject({ type: 'block', rdev: '259:65537' });
      expect(node('fifo')?.type).toBe('fifo');
      expect(node('exact-time')?.mtime).toBe(1_600_000_000_123_456_789n);
      expect(node('to-directory')?.type).toBe('directory');
      expect(node('replaced')?.type).toBe('file');
      const gone = ['removed', 'hard-a', 'hidden', 'opaque/old', 'opaque/old-dir', 'opaque-unnamed/old'];
      expect(gone.filter((path) => node(path) !== undefined)).toEqual([]);
      expect(oddTree.get('special/lower-link')?.hardLinkGroup).toBe('special/linked');
      expect(oddTree.get('special/linked-dir/through')?.type).toBe('file');
      expect(oddTree.get('special/again')?.type).toBe('file');
    });

    it.each([
      ['an OCI manifest', 'team/rootfs:oci', () => plainTree],
      ['a Docker manifest', 'team/rootfs:v2s2', () => plainTree],
      ['a manifest of schema 1', 'team/rootfs:v2s1', () => plainTree],
      ['a layer whose entries depend on others', 'team/rootfs:odd', () => oddTree],
    ])('comes out as umoci unpacks it: %s', async (_, target, expected) => {
      const home = tempDir();
      const source = `docker://${registry.host}/${target}`;
      const { stdout } = await aci(['fetch', INSECURE, '--workers', '2', source], { home });
      const [directory, file] = [join(tempDir(), 'image'), join(tempDir(), 'image.aci')];
      await aci(['image', 'extract', stdout.trim(), directory], { home });
      const tree = await describeTree(join(directory, 'rootfs'));
      expect(diffTrees(expected(), tree, { labels: ['umoci', 'aci'] })).toEqual(
        STDIO_LINKS.map((path) => `${path}: only in aci`),
      );
      await aci(['image', 'export', source, file], { home });
      expect(await archiveProblems(file)).toEqual([]);
    });

    it('is the same by the digest of what was signed in a manifest of schema 1', async () => {
      const answer = await fetch(`${registry.url}/v2/team/rootfs/manifests/v2s1`);
      expect(answer.headers.get('content-type')).toBe(SCHEMA1_SIGNED);
      const digest = answer.headers.get('docker-content-digest') ?? '';
      expect(digest).not.toBe(sha256(Buffer.from(await answer.arrayBuffer())));
      await withEngine({}, async (engine) => {
        const ids = [`:v2s1`, `@${digest}`].map((ref) => `docker://${registry.host}/team/rootfs${ref}`);
        const [tagged, pinned] = await Promise.all(ids.map((image) => engine.fetch({ image })));
        expect(pinned?.sizeBytes).toBe(tagged?.sizeBytes);
        expect(pinned?.labels).toEqual({ arch: 'amd64', os: 'linux' });
        expect(await engine.catManifest(pinned?.id ?? '')).toContain(digest);
      });
    });

    it('is not found under a tag or name that does not exist', async () => {
      for (const target of ['team/rootfs:none', 'team/none:oci']) {
        const result = await runAci(['fetch', INSECURE, `docker://${registry.host}/${target}`]);
        expect(result).toMatchObject({ code: 3, stdout: '' });
        expect(result.stderr).toMatch(new RegExp(`^aci: .*${target}.*: no such image or tag$`, 'm'));
      }
    });
  },
);

describe.runIf(hasRegistry)('an index of images in the real registry', () => {
  const members = ['amd64', 'arm64'].map((architecture) => ({
    image: buildDockerImage({
      layers: [[{ path: 'etc/arch', data: architecture }], [{ path: 'etc/motd', data: 'hello' }]],
      architecture,
      mediaTypes: 'oci',
    }),
  }));
  let registry: DockerRegistry;

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const layout = tempDir();
    await writeOciLayout(layout, [{ ref: 'both', image: buildIndex(members, 'oci') }]);
    const options = { layout, ref: 'both', registryHost: registry.host, all: true };
    await pushLayout({ ...options, target: 'team/both:oci', format: 'oci' });
    await pushLayout({ ...options, target: 'team/both:v2s2', format: 'v2s2' });
  });
  afterAll(() => registry.close());

  it('gives the image for the platform asked for, as OCI index and as manifest list', async () => {
    await withEngine({}, async (engine) => {
      for (const tag of ['oci', 'v2s2']) {
        for (const [architecture, arch] of [
          ['amd64', 'amd64'],
          ['arm64', 'aarch64'],
        ] as const) {
          const image = `docker://${registry.host}/team/both:${tag}`;
          const { id, labels } = await engine.fetch({ image, platform: { os: 'linux', architecture } });
          expect(labels).toEqual({ arch, os: 'linux', version: tag });
          const directory = join(tempDir(), 'image');
          await engine.extractImage(id, { directory, rootfsOnly: true });
          expect(readFileSync(join(directory, 'etc/arch'), 'utf8')).toBe(architecture);
        }
      }
    });
  });

  it('has no image for another platform', async () => {
    const args = ['fetch', INSECURE, '--platform', 'linux/s390x', `docker://${registry.host}/team/both:oci`];
    const result = await runAci(args);
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(result.stderr).toContain('linux/arm64');
  });
});

describe.runIf(hasRegistry && requireTools(['openssl']))('the real registry with TLS', () => {
  const image = buildDockerImage({ layers: [[{ path: 'etc/motd', data: 'hello' }]], mediaTypes: 'oci' });
  const source = 'docker://registry.example.test/team/app:1.0';
  let certificate: Certificate;
  let registry: DockerRegistry;
  let resolve: string;

  beforeAll(async () => {
    certificate = await createCertificate(['registry.example.test']);
    registry = await startDockerRegistry({ tls: certificate });
    const layout = tempDir();
    await writeOciLayout(layout, [{ ref: 'app', image }]);
    await pushLayout({ layout, ref: 'app', registryHost: registry.host, target: 'team/app:1.0' });
    resolve = `registry.example.test:443:127.0.0.1:${registry.host.split(':')[1]}`;
  });
  afterAll(() => registry.close());

  const fetchWith = (insecure: string, env: Readonly<Record<string, string>> = {}) =>
    runAci([`--resolve=${resolve}`, 'fetch', `--insecure-options=${insecure}`, '--full', source], { env });

  it('is trusted with its certificate, or with the check switched off, to the same image', async () => {
    const withCa = await fetchWith('image', { NODE_EXTRA_CA_CERTS: certificate.certPath });
    const withoutCheck = await fetchWith('image,tls');
    expect(withCa).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sha512-[0-9a-f]{128}\n$/) });
    expect(withoutCheck).toMatchObject({ code: 0, stdout: withCa.stdout });
  });

  it('is not trusted without, and the store stays as it was', async () => {
    const home = tempDir();
    const args = [`--resolve=${resolve}`, 'fetch', '--insecure-options=image', source];
    const result = await runAci(args, { home });
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(result.stderr).toMatch(/^aci: .*registry\.example\.test.*certificate/m);
    expect((await aci(['image', 'list', '--json'], { home })).stdout).toBe('[]\n');
    expect(readdirSync(join(home, 'store', 'blobs', 'layer'))).toEqual([]);
  });
});
