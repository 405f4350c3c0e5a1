/** Manifests of schema 1: the line of steps, the layers that count, and the config that comes of it. */

import { describe, expect, it } from 'vitest';
import { parseManifest } from '../../../src/registry/manifest.js';
import { buildDockerImage, sha256 } from '../../support/images/docker.js';
import {
  EMPTY_LAYER,
  SCHEMA1,
  SCHEMA1_SIGNED,
  type Schema1Options,
  type Schema1Step,
  schema1Of,
  stepId,
} from '../../support/images/schema1.js';
import { OCI_MANIFEST } from './images.js';

const image = buildDockerImage({
  layers: [[{ path: 'base' }], [{ path: 'middle' }], [{ path: 'top' }]],
  config: { Cmd: ['sh'], Labels: { a: 'b' } },
  imageConfig: { author: 'Ann', created: '2020-01-02T03:04:02Z' },
});
const [base, middle, top] = image.layers.map(({ digest }) => digest);

function parse(options: Schema1Options = {}, mediaType: string | undefined = SCHEMA1) {
  const manifest = parseManifest(schema1Of(image, options).manifestBytes, mediaType);
  if (manifest.kind !== 'schema1') throw new Error(`a manifest of the kind ${manifest.kind}`);
  return { ...manifest, config: JSON.parse(manifest.config.toString()) };
}

const steps = (change: (steps: readonly Schema1Step[]) => readonly Schema1Step[]): Schema1Options => ({
  steps: change,
});
/** The step at `index` from the top with other members. */
const changed = (index: number, members: object, blobSum?: string): Schema1Options =>
  steps((all) =>
    all.map((step, at) =>
      at === index ? { blobSum: blobSum ?? step.blobSum, image: { ...step.image, ...members } } : step,
    ),
  );

describe('a manifest of schema 1', () => {
  it('gives its layers base first, and the config of its top step with the history of all', () => {
    const { layerDigests, config } = parse();
    expect(layerDigests).toEqual([base, middle, top]);
    expect(config).toEqual({
      os: 'linux',
      architecture: 'amd64',
      author: 'Ann',
      created: '2020-01-02T03:04:02Z',
      config: { Cmd: ['sh'], Labels: { a: 'b' } },
      container_config: { Cmd: ['/bin/sh', '-c', 'step 2'] },
      history: [
        { created: '2020-01-02T03:04:00Z', created_by: '/bin/sh -c step 0', empty_layer: false },
        { created: '2020-01-02T03:04:01Z', created_by: '/bin/sh -c step 1', empty_layer: false },
        {
          created: '2020-01-02T03:04:02Z',
          created_by: '/bin/sh -c step 2',
          author: 'Ann',
          empty_layer: false,
        },
      ],
    });
  });

  it.each([SCHEMA1, SCHEMA1_SIGNED, `${SCHEMA1_SIGNED}; charset=utf-8`, 'application/json', '', undefined])(
    'is known as such when it is announced as %s',
    (mediaType) => {
      expect(parse({}, mediaType).kind).toBe('schema1');
      expect(parse({ manifest: { mediaType: SCHEMA1_SIGNED } }, mediaType).kind).toBe('schema1');
    },
  );

  it('leaves out layers that are empty', () => {
    const { layerDigests, config } = parse({ emptySteps: 2 });
    expect(layerDigests).toEqual([base, middle, top]);
    expect(config.history.map((entry: { empty_layer: boolean }) => entry.empty_layer)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
    expect(parse(changed(1, {}, sha256(EMPTY_LAYER))).layerDigests).toEqual([base, top]);
    expect(parse(changed(1, { throwaway: true })).layerDigests).toEqual([base, top]);
  });

  it('may have one layer twice', () => {
    expect(parse(changed(0, {}, base)).layerDigests).toEqual([base, middle, base]);
  });

  it('has a step that is repeated right above itself only once', () => {
    const repeated = steps((all) => all.flatMap((step, index) => (index === 2 ? [step] : [step, step])));
    expect(parse(repeated)).toEqual(parse());
    expect(parse(steps((all) => all.flatMap((step) => [step, step])))).toEqual(parse());
  });

  it('is for Linux and the architecture of the manifest where the step does not say', () => {
    const config = (members: object, manifest = {}) => parse({ ...changed(0, members), manifest }).config;
    const silent = { os: undefined, architecture: undefined };
    expect(config(silent)).toMatchObject({ os: 'linux', architecture: 'amd64' });
    expect(config(silent, { architecture: 'arm64' })).toMatchObject({ architecture: 'arm64' });
    expect(config(silent, { architecture: undefined })).toMatchObject({ architecture: 'amd64' });
    expect(config({ os: 'windows' }, { architecture: 'arm64' })).toMatchObject({
      os: 'windows',
      architecture: 'amd64',
    });
  });

  it.each([undefined, null, 'sh', [1], [{ toString: 1 }]])(
    'tells no command in its history where that of the step is %j',
    (Cmd) => {
      const [created] = parse(changed(2, { parent: null, container_config: { Cmd } })).config.history;
      expect(created).toEqual({ created: '2020-01-02T03:04:00Z', empty_layer: false });
    },
  );

  it('may have any name and tag', () => {
    expect(parse({ name: 'elsewhere', tag: '9' }).layerDigests).toHaveLength(3);
  });

  it.each<[string, Schema1Options]>([
    ['fsLayers that is no array', { manifest: { fsLayers: {} } }],
    ['history that is no array', { manifest: { history: null } }],
    ['no layers', steps(() => [])],
    ['too many layers', { manifest: { fsLayers: Array(1001).fill({}) } }],
    ['fewer entries in history than layers', { manifest: { history: [{ v1Compatibility: '{}' }] } }],
    ['a layer without a digest', { manifest: { fsLayers: [{}, {}, {}] } }],
    ['a layer with a digest of another kind', changed(0, {}, 'tarsum+sha256:00')],
    ['history without text', { manifest: { history: [{}, {}, {}] } }],
    ['history that is no JSON', { manifest: { history: Array(3).fill({ v1Compatibility: '{' }) } }],
    ['a step without an ID', changed(1, { id: undefined })],
    ['an ID that is none', changed(2, { id: '../../etc' })],
    ['a parent that is no string', changed(0, { parent: 7 })],
    ['a base with a parent', changed(2, { parent: stepId(9) })],
    ['a step without a parent above another', changed(1, { parent: undefined })],
    ['a step with a wrong parent', changed(0, { parent: stepId(0) })],
    ['steps in the wrong order', steps((all) => all.toReversed())],
    ['an ID that comes back later', steps((all) => [...all.slice(0, 2), ...all])],
    ['layers of schema 2', { manifest: { layers: [] } }],
    ['a config', { manifest: { config: {} } }],
    ['manifests', { manifest: { manifests: [] } }],
    ['another version', { manifest: { schemaVersion: 2 } }],
    ['another type', { manifest: { mediaType: OCI_MANIFEST } }],
  ])('is refused where there is %s', (_, options) => {
    expect(() => parse(options)).toThrow(
      expect.objectContaining({ code: 'ERR_MANIFEST_INVALID', stage: 'resolve' }),
    );
  });

  it('is refused where it is announced as something else', () => {
    expect(() => parse({}, OCI_MANIFEST)).toThrow(expect.objectContaining({ code: 'ERR_MANIFEST_INVALID' }));
  });

  it('is refused where a step is nested deeper than this Node can write JSON', () => {
    const [first, ...others] = schema1Steps();
    const nested = first.replace('{', `{"deep":${'['.repeat(200_000)}${']'.repeat(200_000)},`);
    const history = [nested, ...others].map((v1Compatibility) => ({ v1Compatibility }));
    const refused = expect.objectContaining({ code: 'ERR_MANIFEST_INVALID' });
    // The writer of newer versions of Node takes any depth, as every parser does.
    if (canWriteDeepJson()) expect(() => parse({ manifest: { history } })).not.toThrow();
    else expect(() => parse({ manifest: { history } })).toThrow(refused);
  });
});

function canWriteDeepJson(): boolean {
  try {
    return JSON.stringify(JSON.parse(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)).length > 0;
  } catch {
    return false;
  }
}

function schema1Steps(): [string, ...string[]] {
  const { history } = JSON.parse(Buffer.from(schema1Of(image).manifestBytes).toString());
  return history.map(({ v1Compatibility }: { v1Compatibility: string }) => v1Compatibility);
}
