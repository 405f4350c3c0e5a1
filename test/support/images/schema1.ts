/** Docker images with manifests of schema 1, signed or not, in memory. */

import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import type { PushableImage } from '../servers/registry.js';
import { type DockerImage, sha256 } from './docker.js';

export const SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+json';
export const SCHEMA1_SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

/** A step of the build as `history` has it: the members of `v1Compatibility`, and the layer. */
export interface Schema1Step {
  readonly blobSum: string;
  readonly image: Readonly<Record<string, unknown>>;
}

export interface Schema1Options {
  /** Steps with `throwaway`, above the others. Default 0. */
  readonly emptySteps?: number | undefined;
  /** Default `team/app`. */
  readonly name?: string | undefined;
  /** Default `latest`. */
  readonly tag?: string | undefined;
  /** Replaces members of the manifest. */
  readonly manifest?: Readonly<Record<string, unknown>> | undefined;
  /** Replaces the steps, top first. */
  readonly steps?: ((steps: readonly Schema1Step[]) => readonly Schema1Step[]) | undefined;
}

/** What Docker pushed as the layer of a step without files: 1024 zeros, as Go compressed them. */
export const EMPTY_LAYER = Buffer.from('H4sIAAAJbogA/2IYBaNgFIxYAAgAAP//Lq+17wAEAAA=', 'base64');

/** The ID of the step at `index` from the base, which is 0. */
export const stepId = (index: number): string => createHash('sha256').update(`step ${index}`).digest('hex');

/** The unsigned manifest of the same image. */
export function schema1Of(image: DockerImage, options: Schema1Options = {}): PushableImage {
  const steps = stepsOf(image, options.emptySteps ?? 0);
  const manifestBytes = manifestOf(image, options.steps?.(steps) ?? steps, options);
  return {
    mediaType: SCHEMA1,
    manifestBytes,
    manifestDigest: sha256(manifestBytes),
    blobs: [...image.layers, { digest: sha256(EMPTY_LAYER), bytes: EMPTY_LAYER }],
  };
}

/** The manifest with signatures in it, as registries serve it; its digest stays that of the unsigned one. */
export function signed(image: PushableImage, signatures = 1): PushableImage {
  const payload = Buffer.from(image.manifestBytes);
  const members = Array.from({ length: signatures }, () => signatureOf(payload));
  return { ...image, mediaType: SCHEMA1_SIGNED, manifestBytes: withSignatures(payload, members) };
}

/** A signature of libtrust's: `protected` says where in the document the signatures stand. */
export function signatureOf(
  payload: Buffer,
  protectedMembers: Readonly<Record<string, unknown>> = {},
): object {
  const header = {
    formatLength: headOf(payload).length,
    formatTail: payload.subarray(headOf(payload).length).toString('base64url'),
    time: '2020-01-02T03:04:05Z',
    ...protectedMembers,
  };
  const encoded = Buffer.from(JSON.stringify(header)).toString('base64url');
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const text = Buffer.from(`${encoded}.${payload.toString('base64url')}`);
  const signature = sign('sha256', text, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return {
    header: { jwk: publicKey.export({ format: 'jwk' }), alg: 'ES256' },
    signature: signature.toString('base64url'),
    protected: encoded,
  };
}

export function withSignatures(payload: Buffer, signatures: readonly unknown[]): Buffer {
  const members = JSON.stringify(signatures, undefined, 3).replaceAll('\n', '\n   ');
  return Buffer.concat([headOf(payload), Buffer.from(`,\n   "signatures": ${members}\n}`)]);
}

/** Without the closing brace and the space before it. */
function headOf(payload: Buffer): Buffer {
  return payload.subarray(0, payload.toString('latin1').replace(/\s*}\s*$/, '').length);
}

/** Top first. */
function stepsOf(image: DockerImage, emptySteps: number): readonly Schema1Step[] {
  const { rootfs: _rootfs, history: _history, ...config } = image.config;
  const layers = image.layers.map(({ digest }) => ({ blobSum: digest as string, throwaway: false }));
  const empty = { blobSum: sha256(EMPTY_LAYER) as string, throwaway: true };
  const all = [...layers, ...Array.from({ length: emptySteps }, () => empty)];
  return all
    .map(({ blobSum, throwaway }, index) => ({
      blobSum,
      image: {
        ...(index === all.length - 1 && config),
        id: stepId(index),
        ...(index > 0 && { parent: stepId(index - 1) }),
        created: `2020-01-02T03:04:0${index % 10}Z`,
        container_config: { Cmd: ['/bin/sh', '-c', `step ${index}`] },
        ...(throwaway && { throwaway }),
      },
    }))
    .reverse();
}

function manifestOf(image: DockerImage, steps: readonly Schema1Step[], options: Schema1Options): Buffer {
  const manifest = {
    schemaVersion: 1,
    name: options.name ?? 'team/app',
    tag: options.tag ?? 'latest',
    architecture: image.platform.architecture,
    fsLayers: steps.map(({ blobSum }) => ({ blobSum })),
    history: steps.map((step) => ({ v1Compatibility: JSON.stringify(step.image) })),
    ...options.manifest,
  };
  return Buffer.from(JSON.stringify(manifest, undefined, 3));
}
