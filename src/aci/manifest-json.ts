/** Writes image manifests as JSON, byte for byte as Go programs with the appc schema package write them. */

import type {
  AciApp,
  AciDependency,
  AciEventHandler,
  AciIsolator,
  AciManifest,
  AciMountPoint,
  AciNameValue,
  AciPort,
} from './manifest.js';

/**
 * The manifest as compact JSON. Fields stand in the order of the structs of the schema package (schema/image.go,
 * schema/types), empty lists and strings are left out, and the keys of free maps are sorted, so the same
 * manifest always gives the same bytes and thereby the same image ID.
 */
export function stringifyAciManifest(manifest: AciManifest): string {
  return object([
    ['acKind', goJson(manifest.acKind)],
    ['acVersion', goJson(manifest.acVersion)],
    ['name', goJson(manifest.name)],
    ['labels', list(manifest.labels, nameValue)],
    ['app', manifest.app === undefined ? undefined : app(manifest.app)],
    ['annotations', list(manifest.annotations, nameValue)],
    ['dependencies', list(manifest.dependencies, dependency)],
    ['pathWhitelist', list(manifest.pathWhitelist, goJson)],
  ]);
}

/**
 * `value` as Go's encoding/json writes it: the markup characters and the two line separators of Unicode are
 * escaped, backspace and form feed have no short form (as up to Go 1.21), halves of surrogate pairs become
 * U+FFFD. Keys of objects stay in their order.
 */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/\\(?:u[0-9a-f]{4}|.)|[<>&\u2028\u2029]/g, (match) => {
    if (match === '\\b') return '\\u0008';
    if (match === '\\f') return '\\u000c';
    if (match.startsWith('\\ud')) return '\ufffd';
    if (match.startsWith('\\')) return match;
    return `\\u${match.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

type Member = readonly [key: string, json: string | undefined];

function object(members: readonly Member[]): string {
  const present = members.filter(([, json]) => json !== undefined);
  return `{${present.map(([key, json]) => `${goJson(key)}:${json}`).join(',')}}`;
}

function list<Item>(items: readonly Item[] | undefined, write: (item: Item) => string): string | undefined {
  if (items === undefined || items.length === 0) return undefined;
  return `[${items.map(write).join(',')}]`;
}

function nameValue({ name, value }: AciNameValue): string {
  return object([
    ['name', goJson(name)],
    ['value', goJson(value)],
  ]);
}

function app(value: AciApp): string {
  return object([
    ['exec', goJson(value.exec)],
    ['eventHandlers', list(value.eventHandlers, eventHandler)],
    ['user', goJson(value.user)],
    ['group', goJson(value.group)],
    ['supplementaryGIDs', list(value.supplementaryGIDs, goJson)],
    ['workingDirectory', value.workingDirectory ? goJson(value.workingDirectory) : undefined],
    ['environment', list(value.environment, nameValue)],
    ['mountPoints', list(value.mountPoints, mountPoint)],
    ['ports', list(value.ports, port)],
    ['isolators', list(value.isolators, isolator)],
    ['userAnnotations', textMap(value.userAnnotations)],
    ['userLabels', textMap(value.userLabels)],
  ]);
}

function eventHandler({ name, exec }: AciEventHandler): string {
  return object([
    ['name', goJson(name)],
    ['exec', goJson(exec)],
  ]);
}

function mountPoint({ name, path, readOnly }: AciMountPoint): string {
  return object([
    ['name', goJson(name)],
    ['path', goJson(path)],
    ['readOnly', readOnly ? 'true' : undefined],
  ]);
}

function port(value: AciPort): string {
  return object([
    ['name', goJson(value.name)],
    ['protocol', goJson(value.protocol)],
    ['port', goJson(value.port)],
    ['count', goJson(value.count)],
    ['socketActivated', goJson(value.socketActivated)],
  ]);
}

function isolator({ name, value }: AciIsolator): string {
  return object([
    ['name', goJson(name)],
    ['value', goJson(value)],
  ]);
}

function dependency(value: AciDependency): string {
  return object([
    ['imageName', goJson(value.imageName)],
    ['imageID', value.imageID ? goJson(value.imageID) : undefined],
    ['labels', list(value.labels, nameValue)],
    ['size', value.size ? goJson(value.size) : undefined],
  ]);
}

// Written by hand because objects of JavaScript move keys that look like numbers to the front.
function textMap(map: Readonly<Record<string, string>> | undefined): string | undefined {
  const keys = Object.keys(map ?? {});
  if (map === undefined || keys.length === 0) return undefined;
  keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return object(keys.map((key) => [key, goJson(map[key])]));
}
