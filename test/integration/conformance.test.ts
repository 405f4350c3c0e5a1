/** Layer semantics, a row a case: pushed into the real registry, fetched from it, and compared with what umoci unpacks. */

import { join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, isFetchError } from '../../dist/src/index.js';
import { actoolProblems } from '../support/actool.js';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.js';
import { buildDockerImage, buildIndex, type DockerImage, type LayerInput } from '../support/images/docker.js';
import { writeOciLayout } from '../support/images/oci-layout.js';
import { pushLayout } from '../support/skopeo.js';
import { tempDir } from '../support/temp.js';
import { isRoot, requireTools } from '../support/tools.js';
import { describeTree, diffTrees, type Tree, type TreeNode } from '../support/tree.js';
import { umociUnpack } from '../support/umoci.js';
import { archiveProblems, readHeaders } from './support/archive.js';
import { testEngine } from './support/engine.js';
import { HEADER_CASES } from './support/header-cases.js';
import { dir, distinctLayers, file, type LayerCase } from './support/layer-case.js';
import { LAYER_CASES } from './support/layer-cases.js';
import { OWN_CASES, STDIO_CASES } from './support/own-cases.js';

const TOOLS = ['docker-registry', 'skopeo', 'umoci', 'tar', 'getfattr', 'actool'] as const;
const DEV = /^dev(\/|$)/;

interface Pushed {
  /** The reference name in the layout. */
  readonly ref: string;
  readonly image: DockerImage;
}

const images: Pushed[] = [];

function imageOf(layers: readonly LayerInput[]): Pushed {
  const image = buildDockerImage({ layers: distinctLayers(layers), mediaTypes: 'oci' });
  const pushed = { ref: `case-${images.length}`, image };
  images.push(pushed);
  return pushed;
}

const ROWS = [...LAYER_CASES, ...HEADER_CASES, ...OWN_CASES].map((row) => ({
  ...row,
  pushed: imageOf(row.layers),
}));
const STDIO_ROWS = STDIO_CASES.map((row) => ({ ...row, pushed: imageOf(row.layers) }));
const CHILD_FIRST = imageOf([[file('late/x/y'), file('late/z'), dir('late/x'), file('last'), dir('late')]]);

describe.runIf(isRoot() && requireTools(TOOLS))('an image whose layers have', () => {
  const layout = tempDir();
  let registry: DockerRegistry;
  let engine: Engine;

  beforeAll(async () => {
    [registry, engine] = await Promise.all([startDockerRegistry(), testEngine()]);
    // One copy for all: as the images of an index, which skopeo leaves as they are.
    await writeOciLayout(layout, [{ ref: 'all', image: buildIndex(images, 'oci') }, ...images]);
    await pushLayout({ layout, ref: 'all', registryHost: registry.host, target: 'team/all:1.0', all: true });
  });
  afterAll(() => Promise.all([engine.close(), registry.close()]));

  const sourceOf = ({ image }: Pushed): string =>
    `docker://${registry.host}/team/all@${image.manifestDigest}`;

  /** Into a file, which is an ACI by every rule and by the word of the specification's own tool. */
  async function fetchAci(pushed: Pushed): Promise<{ id: string; archive: string }> {
    const archive = join(tempDir(), 'image.aci');
    const { id } = await engine.fetch({ image: sourceOf(pushed), output: archive });
    expect([...(await archiveProblems(archive)), ...(await actoolProblems(archive))]).toEqual([]);
    return { id, archive };
  }

  async function fetchTree(pushed: Pushed): Promise<Tree> {
    const directory = join(tempDir(), 'image');
    const { id } = await fetchAci(pushed);
    await engine.extractImage(id, { directory, rootfsOnly: true });
    return describeTree(directory);
  }

  async function expectCode(source: string, code: string): Promise<void> {
    const outcome = await engine.fetch({ image: source }).then(
      ({ id }) => `fetched as ${id}`,
      (error: unknown) => (isFetchError(error) ? error.code : String(error)),
    );
    expect(outcome).toBe(code);
  }

  it.concurrent.each(ROWS)('$title', async ({ pushed, ...row }) => {
    if (row.judge === 'error') return expectCode(sourceOf(pushed), row.code);
    const tree = await fetchTree(pushed);
    if (row.judge === 'umoci') {
      const unpacked = await describeTree(await umociUnpack(layout, pushed.ref, join(tempDir(), 'bundle')));
      const [wanted, found] = [unpacked, tree].map((one) => withComparedTimes(one, row)) as [Tree, Tree];
      expect(diffTrees(wanted, found, { ignore: [DEV], labels: ['umoci', 'aci'] })).toEqual([]);
    } else {
      const found = [...tree].filter(([path]) => path !== '.' && !DEV.test(path));
      const wanted = Object.entries(row.expected).map(([path, facts]) => [
        path,
        expect.objectContaining(facts),
      ]);
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted));
    }
  });

  it('content before its directory, which the ACI has the other way round', async () => {
    const { archive } = await fetchAci(CHILD_FIRST);
    const names = (await readHeaders(archive)).map(({ name }) => name.replace(/^rootfs\/|\/$/g, ''));
    expect(names.slice(2, 7)).toEqual(['late', 'late/x', 'late/x/y', 'late/z', 'last']);
  });

  it.each([
    ['oci', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'],
    ['v2s2', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'],
  ] as const)('a layer that lies elsewhere, and is refused: %s', async (format, mediaType) => {
    const layers = [[file('f')], [file('g')]];
    const [base, top] = buildDockerImage({ layers, mediaTypes: 'oci' }).manifest['layers'] as object[];
    const foreign = { ...top, mediaType, urls: ['https://layers.example.test/top'] };
    const image = buildDockerImage({ layers, mediaTypes: 'oci', manifest: { layers: [base, foreign] } });
    const [directory, target] = [tempDir(), `team/foreign:${format}`];
    await writeOciLayout(directory, [{ ref: 'image', image }]);
    await pushLayout({ layout: directory, ref: 'image', registryHost: registry.host, target, format });
    await expectCode(`docker://${registry.host}/${target}`, 'ERR_MEDIA_TYPE');
  });

  describe('the links in /dev that programs of Docker images expect', () => {
    it.concurrent.each(STDIO_ROWS)('are added $title', async ({ pushed, expected }) => {
      const tree = await fetchTree(pushed);
      const found = Object.keys(STDIO_CASES[0]?.expected ?? {}).flatMap((path) => {
        const target = tree.get(path)?.linkTarget;
        return target === undefined ? [] : [[path, target] as const];
      });
      expect(Object.fromEntries(found)).toEqual(expected);
    });
  });
});

/** Without the times that no layer states, and without those that the row leaves out. */
function withComparedTimes(tree: Tree, row: LayerCase): Tree {
  const stated = statedPaths(row.layers);
  const untimed = 'untimed' in row ? row.untimed?.paths : undefined;
  const isCompared = (path: string, { type }: TreeNode): boolean =>
    untimed?.test(path) !== true && (type !== 'directory' || stated.has(path));
  return new Map(
    [...tree].map(([path, node]) => [path, isCompared(path, node) ? node : { ...node, mtime: 0n }]),
  );
}

/** Of the layers that are given as entries; the root is `.`. */
function statedPaths(layers: readonly LayerInput[]): Set<string> {
  const entries = layers.flatMap((layer) => (layer instanceof Uint8Array || 'blob' in layer ? [] : layer));
  const names = entries.flatMap((entry) => ('raw' in entry ? [] : [entry.path.toString()]));
  return new Set(names.map((name) => normalize(name).replace(/(.)\/$/, '$1')));
}
