/** A small container registry (OCI distribution specification, the pull half) with token or basic authentication. */

import { createHash, randomBytes } from 'node:crypto';
import { type ContentFacts, serveContent } from './content.js';
import type { FaultPlan } from './faults.js';
import {
  type Handler,
  type Reply,
  type RunningServer,
  type ServerRequest,
  startServer,
  type TlsFiles,
} from './listener.js';

export interface RegistryOptions {
  /** `token`: a bearer token from /token (Docker's token specification). Default `none`. */
  readonly auth?: 'none' | 'token' | 'basic' | undefined;
  /** Whom it lets in. Default: anybody gets a token; for `basic` it is `user` with `secret`. */
  readonly credentials?: Credentials | undefined;
  /** How many requests a token serves before it has expired. Default: any number. */
  readonly tokenTtlRequests?: number | undefined;
  /** Answer for a blob with 307 to a signed URL of a second server, which takes no `Authorization`. Default false. */
  readonly blobRedirect?: boolean | undefined;
  readonly tls?: TlsFiles | undefined;
  readonly faults?: FaultPlan | undefined;
  /** Faults of the second server. */
  readonly cdnFaults?: FaultPlan | undefined;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface PushedBlob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** What `push` takes; buildDockerImage and buildIndex make it. */
export interface PushableImage {
  readonly mediaType: string;
  readonly manifestBytes: Uint8Array;
  /** For a signed one, that of what was signed. */
  readonly manifestDigest: string;
  readonly blobs: readonly PushedBlob[];
  /** The manifests that an index points at. */
  readonly images?: readonly PushableImage[] | undefined;
}

export interface TestRegistry extends RunningServer {
  /** The server that blobs are redirected to, when `blobRedirect` is on. */
  readonly cdn: RunningServer | undefined;
  readonly credentials: Credentials;
  /** Adds blobs and manifests, and lets the tag point at the image. Returns the manifest's digest. */
  push(repository: string, tag: string, image: PushableImage): string;
  /** Adds a blob under its own digest, or under one that is not its. Returns that digest. */
  putBlob(repository: string, bytes: Uint8Array, digest?: string): string;
  /** Adds any bytes as the manifest that `ref`, a tag or a digest, names. Returns `digest`, by default theirs. */
  putManifest(repository: string, ref: string, bytes: Uint8Array, mediaType: string, digest?: string): string;
  removeBlob(repository: string, digest: string): void;
  removeManifest(repository: string, ref: string): void;
}

interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
}

interface Repository {
  readonly manifests: Map<string, StoredManifest>;
  readonly blobs: Map<string, Uint8Array>;
}

/** Starts a registry without content. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const repositories = new Map<string, Repository>();
  const credentials = options.credentials ?? { username: 'user', password: 'secret' };
  const cdn =
    options.blobRedirect === true
      ? await startCdn(repositories, { tls: options.tls, faults: options.cdnFaults })
      : undefined;
  const authorize = createAuthorizer(options, credentials, () => server.url);

  const handler: Handler = (request) => {
    if (request.path === '/token' && options.auth === 'token') return authorize.token(request);
    if (!request.path.startsWith('/v2/')) return errorReply(404, 'UNSUPPORTED', 'no such page');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return errorReply(405, 'UNSUPPORTED', 'read only');
    const route = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(request.path);
    const refused = authorize.check(request, route?.[1]);
    if (refused !== undefined) return refused;
    if (request.path === '/v2/') return { status: 200, headers: API_VERSION, body: Buffer.from('{}') };
    const repository = repositories.get(route?.[1] ?? '');
    const ref = decodeURIComponent(route?.[3] ?? '');
    if (repository === undefined)
      return errorReply(404, 'NAME_UNKNOWN', 'repository name not known to registry');
    return route?.[2] === 'blobs'
      ? serveBlob(request, repository, ref, cdn)
      : serveManifest(request, repository, ref);
  };
  const server = await startServer(handler, { tls: options.tls, faults: options.faults });

  function repositoryOf(name: string): Repository {
    const known = repositories.get(name) ?? { manifests: new Map(), blobs: new Map() };
    repositories.set(name, known);
    return known;
  }

  function putManifest(
    repository: string,
    ref: string,
    bytes: Uint8Array,
    mediaType: string,
    digest = sha256(bytes),
  ): string {
    const { manifests } = repositoryOf(repository);
    manifests.set(ref, { bytes, mediaType, digest });
    if (!ref.includes(':')) manifests.set(digest, { bytes, mediaType, digest });
    return digest;
  }

  function push(repository: string, ref: string, image: PushableImage): string {
    for (const blob of image.blobs) repositoryOf(repository).blobs.set(blob.digest, blob.bytes);
    for (const member of image.images ?? []) push(repository, member.manifestDigest, member);
    const isSigned = image.mediaType.endsWith('+prettyjws');
    const digest = isSigned ? image.manifestDigest : undefined;
    return putManifest(repository, ref, image.manifestBytes, image.mediaType, digest);
  }

  const closeServer = server.close;
  return Object.assign(server, {
    cdn,
    credentials,
    push,
    putManifest,
    putBlob(repository: string, bytes: Uint8Array, digest = sha256(bytes)) {
      repositoryOf(repository).blobs.set(digest, bytes);
      return digest;
    },
    removeBlob(repository: string, digest: string) {
      repositoryOf(repository).blobs.delete(digest);
    },
    removeManifest(repository: string, ref: string) {
      repositoryOf(repository).manifests.delete(ref);
    },
    async close() {
      await Promise.all([closeServer(), cdn?.close()]);
    },
  });
}

const API_VERSION_HEADER = { 'docker-distribution-api-version': 'registry/2.0' };
const API_VERSION = { ...API_VERSION_HEADER, 'content-type': 'application/json' };

const NEEDS_ACCEPT =
  /^application\/vnd\.(docker\.distribution\.manifest(\.list)?\.v2|oci\.image\.(manifest|index)\.v1)\+json$/;

/** As Docker's registry: a manifest of a known type that `Accept` does not name is "not found". */
function serveManifest(request: ServerRequest, repository: Repository, ref: string): Reply {
  const manifest = repository.manifests.get(ref);
  const accept = request.headers['accept'] ?? '';
  const acceptable =
    manifest === undefined ||
    !NEEDS_ACCEPT.test(manifest.mediaType) ||
    accept.includes(manifest.mediaType) ||
    accept.includes('*/*');
  if (manifest === undefined || !acceptable) return errorReply(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  const facts: ContentFacts = {
    etag: `"${manifest.digest}"`,
    contentType: manifest.mediaType,
    headers: { 'docker-content-digest': manifest.digest, ...API_VERSION_HEADER },
  };
  return serveContent(request, manifest.bytes, facts);
}

function serveBlob(
  request: ServerRequest,
  repository: Repository,
  digest: string,
  cdn: RunningServer | undefined,
): Reply {
  const bytes = repository.blobs.get(digest);
  if (bytes === undefined) return errorReply(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  if (cdn === undefined) {
    return serveContent(request, bytes, {
      etag: `"${digest}"`,
      headers: { 'docker-content-digest': digest },
    });
  }
  return {
    status: 307,
    headers: { location: `${cdn.url}/store/${digest}?X-Signature=${signatureFor(digest)}` },
  };
}

/** The server behind the redirect: the signature in the query is its only key, another one is a violation. */
async function startCdn(
  repositories: ReadonlyMap<string, Repository>,
  options: { tls?: TlsFiles | undefined; faults?: FaultPlan | undefined },
): Promise<RunningServer> {
  const cdn = await startServer((request) => {
    const digest = request.path.replace(/^\/store\//, '');
    if (request.headers['authorization'] !== undefined) {
      cdn.violations.push(`Authorization came to the second server for ${request.path}`);
      return { status: 400, body: Buffer.from('InvalidArgument: only one auth mechanism is allowed') };
    }
    if (request.query.get('X-Signature') !== signatureFor(digest)) return { status: 403 };
    const bytes = [...repositories.values()]
      .map(({ blobs }) => blobs.get(digest))
      .find((blob) => blob !== undefined);
    return bytes === undefined
      ? { status: 404 }
      : serveContent(request, bytes, { etag: `"${digest.slice(7, 39)}"` });
  }, options);
  return cdn;
}

function signatureFor(digest: string): string {
  return createHash('sha1').update(`signed ${digest}`).digest('hex');
}

interface Authorizer {
  /** The token endpoint. */
  token(request: ServerRequest): Reply;
  /** The refusal, or undefined where the request may pass. */
  check(request: ServerRequest, repository: string | undefined): Reply | undefined;
}

interface Token {
  readonly scopes: readonly string[];
  left: number;
}

const SERVICE = 'test-registry';

function createAuthorizer(
  options: RegistryOptions,
  credentials: Credentials,
  serverUrl: () => string,
): Authorizer {
  const tokens = new Map<string, Token>();
  const basic = `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;

  function challenge(repository: string | undefined, error?: string): Reply {
    const parts = [`Bearer realm="${serverUrl()}/token"`, `service="${SERVICE}"`];
    if (repository !== undefined) parts.push(`scope="repository:${repository}:pull"`);
    if (error !== undefined) parts.push(`error="${error}"`);
    return errorReply(401, 'UNAUTHORIZED', 'authentication required', {
      'www-authenticate': parts.join(','),
    });
  }

  return {
    token(request) {
      const given = request.headers['authorization'];
      const known =
        options.credentials === undefined ? given === undefined || given === basic : given === basic;
      if (!known) return errorReply(401, 'UNAUTHORIZED', 'incorrect username or password');
      if (request.query.get('service') !== SERVICE) return errorReply(400, 'UNSUPPORTED', 'unknown service');
      const token = randomBytes(24).toString('base64url');
      tokens.set(token, {
        scopes: request.query.getAll('scope').flatMap((scope) => scope.split(' ')),
        left: options.tokenTtlRequests ?? Number.POSITIVE_INFINITY,
      });
      const body = { token, access_token: token, expires_in: 300, issued_at: new Date().toISOString() };
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body)),
      };
    },
    check(request, repository) {
      const given = request.headers['authorization'];
      if (options.auth === 'basic') {
        if (given === basic) return undefined;
        const header = { 'www-authenticate': 'Basic realm="test-registry"' };
        return errorReply(401, 'UNAUTHORIZED', 'authentication required', header);
      }
      if (options.auth !== 'token') return undefined;
      const token = tokens.get(/^Bearer (.+)$/.exec(given ?? '')?.[1] ?? '');
      if (token === undefined || token.left <= 0) {
        return challenge(repository, given === undefined ? undefined : 'invalid_token');
      }
      token.left -= 1;
      if (repository !== undefined && !token.scopes.includes(`repository:${repository}:pull`)) {
        return challenge(repository, 'insufficient_scope');
      }
      return undefined;
    },
  };
}

function errorReply(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Reply {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message, detail: null }] }));
  return { status, headers: { ...API_VERSION, ...headers }, body };
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
