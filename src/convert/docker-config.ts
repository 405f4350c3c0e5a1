/** Turns the config of a Docker or OCI image into an appc image manifest, as rkt does. */

import { isEnvironmentName, isTimestamp } from '../aci/appc-types.js';
import {
  entriesOf,
  failField,
  fieldAt,
  isPresent,
  itemsOf,
  type JsonField,
  nonEmptyTextOf,
  quoteForMessage,
  readJsonDocument,
  textOf,
  textOrEmpty,
  textsOf,
} from '../aci/json-fields.js';
import type { AciApp, AciManifest, AciNameValue } from '../aci/manifest.js';
import { goJson } from '../aci/manifest-json.js';
import { isDigest } from '../reference/digest.js';
import type { Digest, ImageNaming, Platform } from '../types.js';
import {
  aciNameOf,
  appcPlatformOf,
  configError,
  mountPointsOf,
  portsOf,
  userAndGroupOf,
} from './appc-names.js';
import { dockerExtrasOf } from './docker-extras.js';

/** The version of the appc specification that converted manifests follow. */
const AC_VERSION = '0.8.11';

export interface DockerConfigInput {
  /** The config blob as its digest names it; bounded by the caller. */
  readonly config: Uint8Array;
  readonly naming: ImageNaming;
  /** Digest of the image's registry manifest: of the one for the platform, where there is an index. */
  readonly manifestDigest: Digest | undefined;
  /** Digest of the last layer as the registry has it; undefined for an image without layers. */
  readonly topLayerDigest: Digest | undefined;
}

/** What a config says about the image it belongs to, for checks against what was asked for and downloaded. */
export interface DockerConfigFacts {
  readonly platform: Platform;
  /** Digests of the uncompressed layers, lowest first; empty for an image without layers. */
  readonly diffIds: readonly Digest[];
}

/**
 * The ACI manifest of a Docker image (appc/docker2aci 0.17, GenerateManifestV22, after squashing).
 *
 * Labels, stop signal, health check and history are kept where docker2aci drops them. `Env` entries without `=`
 * are skipped, and of a name that is there twice the last value stands at the first place.
 *
 * Throws ERR_MANIFEST_INVALID that names the field of the config.
 */
export function convertDockerConfig(input: DockerConfigInput): AciManifest {
  const root = readConfig(input.config);
  const runtime = fieldAt(root, 'config');
  const app = isPresent(runtime) ? convertApp(runtime) : undefined;
  return {
    acKind: 'ImageManifest',
    acVersion: AC_VERSION,
    name: aciNameOf(input.naming),
    labels: convertLabels(readPlatform(root), input.naming),
    ...(app === undefined ? {} : { app }),
    annotations: convertAnnotations(root, input),
  };
}

/** The platform that a config says its image is for. Throws ERR_MANIFEST_INVALID. */
export function configPlatform(config: Uint8Array): Platform {
  return readPlatform(readConfig(config));
}

/**
 * Platform and layer digests of a config. A config without `rootfs` has no layers: the caller compares their
 * number with that of the manifest.
 *
 * Throws ERR_MANIFEST_INVALID.
 */
export function readDockerConfigFacts(config: Uint8Array): DockerConfigFacts {
  const root = readConfig(config);
  return { platform: readPlatform(root), diffIds: readDiffIds(fieldAt(root, 'rootfs')) };
}

function readConfig(config: Uint8Array): JsonField {
  return readJsonDocument(config, configError);
}

function readPlatform(root: JsonField): Platform {
  const os = nonEmptyTextOf(fieldAt(root, 'os'));
  const architecture = nonEmptyTextOf(fieldAt(root, 'architecture'));
  const variant = textOrEmpty(fieldAt(root, 'variant'));
  return variant === '' ? { os, architecture } : { os, architecture, variant };
}

function readDiffIds(rootfs: JsonField): readonly Digest[] {
  if (!isPresent(rootfs)) return [];
  const type = fieldAt(rootfs, 'type');
  if (isPresent(type) && textOf(type) !== 'layers') failField(type, 'must be "layers"');
  return itemsOf(fieldAt(rootfs, 'diff_ids')).map((item) => {
    const text = textOf(item);
    if (isDigest(text)) return text;
    return failField(item, `${quoteForMessage(text)} is not a SHA-256 or SHA-512 digest`);
  });
}

function convertLabels(platform: Platform, naming: ImageNaming): readonly AciNameValue[] {
  const { os, arch } = appcPlatformOf(platform);
  const version = versionOf(naming) ?? '';
  return valuesPresent([
    ['arch', arch],
    ['os', os],
    ['version', version],
  ]);
}

/** The label `version`: the tag, unless the image was asked for by digest. */
export function versionOf({ digest, tag }: ImageNaming): string | undefined {
  return digest === undefined ? tag : undefined;
}

function convertApp(config: JsonField): AciApp {
  const exec = [...textsOf(fieldAt(config, 'Entrypoint')), ...textsOf(fieldAt(config, 'Cmd'))];
  const workingDirectory = textOrEmpty(fieldAt(config, 'WorkingDir'));
  if (workingDirectory !== '' && !workingDirectory.startsWith('/')) {
    failField(fieldAt(config, 'WorkingDir'), `${quoteForMessage(workingDirectory)} must be an absolute path`);
  }
  const environment = convertEnvironment(fieldAt(config, 'Env'));
  const mountPoints = mountPointsOf(keysOf(fieldAt(config, 'Volumes')));
  const ports = portsOf(keysOf(fieldAt(config, 'ExposedPorts')));
  const labels = entriesOf(fieldAt(config, 'Labels')).map(
    ([key, value]) => [key, textOrEmpty(value)] as const,
  );
  return {
    exec: exec.length === 0 ? null : exec,
    ...userAndGroupOf(textOrEmpty(fieldAt(config, 'User'))),
    ...(workingDirectory === '' ? {} : { workingDirectory }),
    ...(environment.length === 0 ? {} : { environment }),
    ...(mountPoints.length === 0 ? {} : { mountPoints }),
    ...(ports.length === 0 ? {} : { ports }),
    ...(labels.length === 0 ? {} : { userLabels: Object.fromEntries(labels) }),
  };
}

/** Values never enter a message: images carry passwords there. */
function convertEnvironment(list: JsonField): readonly AciNameValue[] {
  const values = new Map<string, string>();
  for (const item of itemsOf(list)) {
    const entry = textOf(item);
    const split = entry.indexOf('=');
    if (split === -1) continue;
    const name = entry.slice(0, split);
    if (!isEnvironmentName(name))
      failField(item, `has a name that ACIs do not allow: ${quoteForMessage(name)}`);
    values.set(name, entry.slice(split + 1));
  }
  return [...values].map(([name, value]) => ({ name, value }));
}

function convertAnnotations(root: JsonField, input: DockerConfigInput): readonly AciNameValue[] {
  const { naming, manifestDigest, topLayerDigest } = input;
  const created = fieldAt(root, 'created');
  if (textOrEmpty(created) !== '' && !isTimestamp(textOf(created))) {
    failField(created, `${quoteForMessage(textOf(created))} must be a timestamp of RFC 3339`);
  }
  const runtime = fieldAt(root, 'config');
  const commandOf = (key: string) => {
    const words = isPresent(runtime) ? textsOf(fieldAt(runtime, key)) : [];
    return words.length === 0 ? '' : goJson(words);
  };
  return valuesPresent([
    ['author', textOrEmpty(fieldAt(root, 'author'))],
    ['created', textOrEmpty(created)],
    ['appc.io/docker/originalname', naming.originalName],
    ['appc.io/docker/registryurl', naming.registry ?? ''],
    ['appc.io/docker/repository', naming.repository],
    ['appc.io/docker/imageid', topLayerDigest ?? ''],
    ['appc.io/docker/manifesthash', manifestDigest ?? ''],
    ['appc.io/docker/entrypoint', commandOf('Entrypoint')],
    ['appc.io/docker/cmd', commandOf('Cmd')],
    ...dockerExtrasOf(root, runtime),
  ]);
}

function keysOf(map: JsonField): readonly string[] {
  return entriesOf(map).map(([key]) => key);
}

function valuesPresent(pairs: readonly (readonly [string, string])[]): readonly AciNameValue[] {
  return pairs.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value }));
}
