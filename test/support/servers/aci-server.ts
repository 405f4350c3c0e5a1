/** A server of ACI files with signatures beside them, discovery pages and keys (App Container specification). */

import { createHash } from 'node:crypto';
import { type ContentFacts, serveContent } from './content.js';
import { type ListenerOptions, type RunningServer, startServer } from './listener.js';

/** One image name prefix of a discovery page. */
export interface DiscoveryEntry {
  /** `example.test/app` */
  readonly prefix: string;
  /** URL templates with `{name}`, `{version}`, `{os}`, `{arch}`, `{ext}`: an `ac-discovery` tag each. */
  readonly templates?: readonly string[] | undefined;
  /** URLs of keys: an `ac-discovery-pubkeys` tag each. */
  readonly keys?: readonly string[] | undefined;
}

export interface FileOptions extends ContentFacts {
  /** Default `max-age=0`; empty for none. */
  readonly cacheControl?: string | undefined;
}

export interface AciFileOptions extends FileOptions {
  /** Put beside it, at the path with `.aci` replaced by `.aci.asc`. */
  readonly signature?: string | Uint8Array | undefined;
}

export interface AciServer extends RunningServer {
  /** Serves the bytes at a path, with an ETag of their hash and today's Last-Modified unless told otherwise. Returns the URL. */
  putFile(path: string, bytes: Uint8Array | string, options?: FileOptions): string;
  /** `putFile` for an image and, when given, its signature. Returns the URL of the image. */
  putAci(path: string, bytes: Uint8Array, options?: AciFileOptions): string;
  /** The page that `https://HOST/PATH?ac-discovery=1` answers. */
  putDiscovery(path: string, entries: readonly DiscoveryEntry[]): void;
  /** The same page in a text of its own. */
  putPage(path: string, html: string | Uint8Array): void;
  /** An armored key. Returns its URL. */
  putKey(path: string, armored: string): string;
  removeFile(path: string): void;
}

interface StoredFile {
  readonly bytes: Uint8Array;
  readonly facts: ContentFacts;
}

/** Starts the server without content. */
export async function startAciServer(options: ListenerOptions = {}): Promise<AciServer> {
  const files = new Map<string, StoredFile>();
  const pages = new Map<string, Uint8Array>();
  const server = await startServer((request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405 };
    const path = decodeURIComponent(request.path);
    const page = request.query.get('ac-discovery') === '1' ? pages.get(path) : undefined;
    if (page !== undefined) return serveContent(request, page, { contentType: 'text/html; charset=utf-8' });
    const file = files.get(path);
    if (file === undefined) return { status: 404, body: Buffer.from('not found\n') };
    return serveContent(request, file.bytes, file.facts);
  }, options);

  function putFile(path: string, content: Uint8Array | string, file: FileOptions = {}): string {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const cacheControl = file.cacheControl ?? 'max-age=0';
    const facts: ContentFacts = {
      etag: `"${createHash('sha1').update(bytes).digest('hex')}"`,
      lastModified: new Date(),
      ...file,
      headers: { ...(cacheControl === '' ? {} : { 'cache-control': cacheControl }), ...file.headers },
    };
    files.set(path, { bytes, facts });
    return server.url + encodeURI(path);
  }

  return Object.assign(server, {
    putFile,
    putAci(path: string, bytes: Uint8Array, aci: AciFileOptions = {}) {
      const { signature, ...file } = aci;
      if (signature !== undefined) putFile(`${path.replace(/\.aci$/, '')}.aci.asc`, signature);
      return putFile(path, bytes, file);
    },
    putDiscovery(path: string, entries: readonly DiscoveryEntry[]) {
      pages.set(path, Buffer.from(discoveryPage(entries)));
    },
    putPage(path: string, html: string | Uint8Array) {
      pages.set(path, Buffer.from(html));
    },
    putKey: (path: string, armored: string) =>
      putFile(path, armored, { contentType: 'application/pgp-keys' }),
    removeFile(path: string) {
      files.delete(path);
    },
  });
}

/** An HTML page with the meta tags of the entries. */
export function discoveryPage(entries: readonly DiscoveryEntry[]): string {
  const tags = entries.flatMap(({ prefix, templates = [], keys = [] }) => [
    ...templates.map((template) => metaTag('ac-discovery', `${prefix} ${template}`)),
    ...keys.map((key) => metaTag('ac-discovery-pubkeys', `${prefix} ${key}`)),
  ]);
  const head = ['<meta charset="utf-8">', '<title>images</title>', ...tags].map((line) => `    ${line}`);
  return [
    '<!doctype html>',
    '<html>',
    '  <head>',
    ...head,
    '  </head>',
    '  <body></body>',
    '</html>',
    '',
  ].join('\n');
}

function metaTag(name: string, content: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
  return `<meta name="${name}" content="${escaped}">`;
}
