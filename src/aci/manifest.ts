/** The appc image manifest: its types, its validation, and its labels. */

import { FetchError } from '../errors.js';
import { isAcIdentifier, MAX_NAME_LENGTH } from '../reference/name.js';
import type { Labels } from '../types.js';
import { isAcName, isAcVersion, isEnvironmentName, isTimestamp, osArchProblem } from './appc-types.js';
import {
  entriesOf,
  failField,
  fieldAt,
  flagOf,
  isPresent,
  itemsOf,
  type JsonField,
  nonEmptyTextOf,
  quoteForMessage,
  readJsonDocument,
  textOf,
  textOrEmpty,
  textsOf,
  wholeNumberOf,
} from './json-fields.js';

/** An image manifest (appc specification 0.8.11, aci.md). Lists and strings that are empty are absent. */
export interface AciManifest {
  readonly acKind: 'ImageManifest';
  readonly acVersion: string;
  readonly name: string;
  readonly labels?: readonly AciNameValue[] | undefined;
  readonly app?: AciApp | undefined;
  readonly annotations?: readonly AciNameValue[] | undefined;
  readonly dependencies?: readonly AciDependency[] | undefined;
  readonly pathWhitelist?: readonly string[] | undefined;
}

export interface AciNameValue {
  readonly name: string;
  readonly value: string;
}

export interface AciApp {
  /** `null` where the image names no program. */
  readonly exec: readonly string[] | null;
  readonly eventHandlers?: readonly AciEventHandler[] | undefined;
  readonly user: string;
  readonly group: string;
  readonly supplementaryGIDs?: readonly number[] | undefined;
  readonly workingDirectory?: string | undefined;
  readonly environment?: readonly AciNameValue[] | undefined;
  readonly mountPoints?: readonly AciMountPoint[] | undefined;
  readonly ports?: readonly AciPort[] | undefined;
  readonly isolators?: readonly AciIsolator[] | undefined;
  readonly userAnnotations?: Readonly<Record<string, string>> | undefined;
  readonly userLabels?: Readonly<Record<string, string>> | undefined;
}

export interface AciEventHandler {
  readonly name: 'pre-start' | 'post-stop';
  readonly exec: readonly string[] | null;
}

export interface AciMountPoint {
  readonly name: string;
  readonly path: string;
  /** Absent means false. */
  readonly readOnly?: true | undefined;
}

export interface AciPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  /** How many ports from `port` on. */
  readonly count: number;
  readonly socketActivated: boolean;
}

export interface AciIsolator {
  readonly name: string;
  /** Any JSON value; checked by those who apply it. */
  readonly value: unknown;
}

export interface AciDependency {
  readonly imageName: string;
  /** `sha512-` + 1 to 128 hex digits: rkt writes 64 of them, the specification means all. */
  readonly imageID?: string | undefined;
  readonly labels?: readonly AciNameValue[] | undefined;
  readonly size?: number | undefined;
}

const MAX_PORT = 65_535;
const MAX_GID = 4_294_967_295;

/**
 * The manifest in `bytes`, which the caller has bounded. Fields that the specification does not know are left
 * out, as it asks readers to ignore them. What it leaves to those who run the image (isolator values, whether
 * listed paths are absolute) is not checked.
 *
 * Throws ERR_MANIFEST_INVALID that names the field.
 */
export function parseAciManifest(bytes: Uint8Array): AciManifest {
  const root = readJsonDocument(bytes, manifestError);
  const acKind = fieldAt(root, 'acKind');
  if (textOf(acKind) !== 'ImageManifest') failField(acKind, 'must be "ImageManifest"');
  const acVersion = fieldAt(root, 'acVersion');
  if (!isAcVersion(textOf(acVersion))) failField(acVersion, 'must be a semantic version');
  const app = fieldAt(root, 'app');
  return withoutAbsent<AciManifest>({
    acKind: 'ImageManifest',
    acVersion: textOf(acVersion),
    name: identifierOf(fieldAt(root, 'name')),
    labels: readLabels(fieldAt(root, 'labels')),
    app: isPresent(app) ? readApp(app) : undefined,
    annotations: readAnnotations(fieldAt(root, 'annotations')),
    dependencies: unlessEmpty(itemsOf(fieldAt(root, 'dependencies')).map(readDependency)),
    pathWhitelist: unlessEmpty(textsOf(fieldAt(root, 'pathWhitelist'))),
  });
}

/** The labels of a manifest by name. */
export function labelsOf(manifest: AciManifest): Labels {
  return Object.fromEntries((manifest.labels ?? []).map(({ name, value }) => [name, value]));
}

function manifestError(path: string, problem: string, cause?: unknown): FetchError {
  const subject = path === '' ? 'the image manifest' : `image manifest: ${path}`;
  return new FetchError('ERR_MANIFEST_INVALID', `${subject} ${problem}`, { stage: 'verify', cause });
}

function readLabels(list: JsonField): readonly AciNameValue[] | undefined {
  const labels = readNamed(list, (item) => {
    if (fieldAt(item, 'name').value === 'name') failField(fieldAt(item, 'name'), 'must not be "name"');
    return readNameValue(item);
  });
  const labelOf = (name: string) => labels?.find((label) => label.name === name)?.value;
  const problem = osArchProblem(labelOf('os'), labelOf('arch'));
  if (problem !== undefined) failField(list, `do not name a platform: ${problem}`);
  return labels;
}

function readAnnotations(list: JsonField): readonly AciNameValue[] | undefined {
  return readNamed(list, (item) => {
    const annotation = readNameValue(item);
    const value = fieldAt(item, 'value');
    if (annotation.name === 'created' && !isTimestamp(annotation.value)) {
      failField(value, 'must be a timestamp of RFC 3339');
    }
    const isUrl = annotation.name === 'homepage' || annotation.name === 'documentation';
    if (isUrl && !/^https?:/i.test(annotation.value)) failField(value, 'must be an http or https URL');
    return annotation;
  });
}

function readApp(app: JsonField): AciApp {
  const workingDirectory = textOrEmpty(fieldAt(app, 'workingDirectory'));
  if (workingDirectory !== '' && !workingDirectory.startsWith('/')) {
    failField(fieldAt(app, 'workingDirectory'), 'must be an absolute path');
  }
  return withoutAbsent<AciApp>({
    exec: readExec(fieldAt(app, 'exec')),
    eventHandlers: readNamed(fieldAt(app, 'eventHandlers'), readEventHandler),
    user: nonEmptyTextOf(fieldAt(app, 'user')),
    group: nonEmptyTextOf(fieldAt(app, 'group')),
    supplementaryGIDs: unlessEmpty(
      itemsOf(fieldAt(app, 'supplementaryGIDs')).map((item) => wholeNumberOf(item, 0, MAX_GID)),
    ),
    workingDirectory: workingDirectory === '' ? undefined : workingDirectory,
    environment: readNamed(fieldAt(app, 'environment'), readVariable),
    mountPoints: readNamed(fieldAt(app, 'mountPoints'), readMountPoint),
    ports: readNamed(fieldAt(app, 'ports'), readPort),
    isolators: unlessEmpty(itemsOf(fieldAt(app, 'isolators')).map(readIsolator)),
    userAnnotations: readTextMap(fieldAt(app, 'userAnnotations')),
    userLabels: readTextMap(fieldAt(app, 'userLabels')),
  });
}

function readExec(field: JsonField): readonly string[] | null {
  return isPresent(field) ? textsOf(field) : null;
}

function readEventHandler(item: JsonField): AciEventHandler {
  const name = textOf(fieldAt(item, 'name'));
  if (name !== 'pre-start' && name !== 'post-stop') {
    return failField(fieldAt(item, 'name'), 'must be "pre-start" or "post-stop"');
  }
  return { name, exec: readExec(fieldAt(item, 'exec')) };
}

function readVariable(item: JsonField): AciNameValue {
  const name = textOf(fieldAt(item, 'name'));
  if (!isEnvironmentName(name))
    failField(fieldAt(item, 'name'), 'is not the name of an environment variable');
  return { name, value: textOf(fieldAt(item, 'value')) };
}

function readMountPoint(item: JsonField): AciMountPoint {
  return withoutAbsent<AciMountPoint>({
    name: acNameOf(fieldAt(item, 'name')),
    path: nonEmptyTextOf(fieldAt(item, 'path')),
    readOnly: flagOf(fieldAt(item, 'readOnly')) || undefined,
  });
}

function readPort(item: JsonField): AciPort {
  const port = wholeNumberOf(fieldAt(item, 'port'), 1, MAX_PORT);
  const count = fieldAt(item, 'count');
  // docker2aci writes "count": 0 into the ACIs of single layers, and rkt reads it as 1.
  const counted = isPresent(count) ? wholeNumberOf(count, 0, MAX_PORT + 1 - port) : 1;
  return {
    name: acNameOf(fieldAt(item, 'name')),
    protocol: nonEmptyTextOf(fieldAt(item, 'protocol')),
    port,
    count: Math.max(counted, 1),
    socketActivated: flagOf(fieldAt(item, 'socketActivated')),
  };
}

function readIsolator(item: JsonField): AciIsolator {
  const value = fieldAt(item, 'value');
  if (value.value === undefined) failField(value, 'is missing');
  return { name: identifierOf(fieldAt(item, 'name')), value: value.value };
}

function readDependency(item: JsonField): AciDependency {
  const imageId = fieldAt(item, 'imageID');
  if (isPresent(imageId) && !/^sha512-[0-9a-fA-F]{1,128}$/.test(textOf(imageId))) {
    failField(imageId, 'must be "sha512-" and hex digits');
  }
  const size = fieldAt(item, 'size');
  const sizeBytes = isPresent(size) ? wholeNumberOf(size, 0, Number.MAX_SAFE_INTEGER) : 0;
  return withoutAbsent<AciDependency>({
    imageName: identifierOf(fieldAt(item, 'imageName')),
    imageID: isPresent(imageId) ? textOf(imageId) : undefined,
    labels: readLabels(fieldAt(item, 'labels')),
    size: sizeBytes === 0 ? undefined : sizeBytes,
  });
}

function readNameValue(item: JsonField): AciNameValue {
  return { name: identifierOf(fieldAt(item, 'name')), value: textOf(fieldAt(item, 'value')) };
}

/** The elements of a list in which a name may stand only once. */
function readNamed<Item extends { readonly name: string }>(
  list: JsonField,
  read: (item: JsonField) => Item,
): readonly Item[] | undefined {
  const seen = new Set<string>();
  return unlessEmpty(
    itemsOf(list).map((field) => {
      const item = read(field);
      if (seen.has(item.name))
        failField(fieldAt(field, 'name'), `${quoteForMessage(item.name)} is there twice`);
      seen.add(item.name);
      return item;
    }),
  );
}

function readTextMap(field: JsonField): Readonly<Record<string, string>> | undefined {
  const entries = entriesOf(field).map(([key, value]) => [key, textOf(value)] as const);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function identifierOf(field: JsonField): string {
  const text = textOf(field);
  if (isAcIdentifier(text)) return text;
  if (text.length > MAX_NAME_LENGTH) failField(field, `must have ${MAX_NAME_LENGTH} characters at most`);
  return failField(
    field,
    `${quoteForMessage(text)} must be lower-case letters, digits and "-._~/", with a letter or digit at both ends`,
  );
}

function acNameOf(field: JsonField): string {
  const text = textOf(field);
  if (isAcName(text)) return text;
  return failField(
    field,
    `${quoteForMessage(text)} must be lower-case letters, digits and "-", with a letter or digit at both ends`,
  );
}

function unlessEmpty<Item>(list: readonly Item[]): readonly Item[] | undefined {
  return list.length === 0 ? undefined : list;
}

function withoutAbsent<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Value;
}
