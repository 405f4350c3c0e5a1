/** A publisher of App Container Images: a site over TLS, its keys, and engines that are led there. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine, type Engine, type EngineEvent, type EngineOptions } from '../../../dist/src/index.js';
import { addKey } from '../../../src/trust/keystore.js';
import { readKeys } from '../../../src/trust/read-keys.js';
import { createGpg, type Gpg } from '../../support/gpg.js';
import { type AciOptions, buildAci } from '../../support/images/aci.js';
import type { AciFileOptions } from '../../support/servers/aci-server.js';
import { type DiscoverySite, startDiscoverySite } from '../../support/servers/discovery-site.js';
import { tempDir } from '../../support/temp.js';

export const HOST = 'example.test';

export interface PublishOptions extends Omit<AciOptions, 'name' | 'labels'> {
  readonly version?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Fingerprint of the key that signs; none: no signature. */
  readonly signer?: string | undefined;
  /** In place of the one that `signer` would make. */
  readonly signature?: Uint8Array | undefined;
  /** The name in the manifest. Default: the one that it is published under. */
  readonly manifestName?: string | undefined;
  readonly compress?: ((aci: Buffer) => Buffer) | undefined;
  readonly file?: AciFileOptions | undefined;
}

export interface Published {
  readonly name: string;
  readonly url: string;
  readonly path: string;
  /** As it was served. */
  readonly bytes: Buffer;
}

export interface Publisher {
  readonly site: DiscoverySite;
  readonly gpg: Gpg;
  /** Publishes an image under a name below the host, for `linux/amd64`. */
  publish(name: string, options?: PublishOptions): Promise<Published>;
  /** What was asked for, without discovery pages. */
  requests(): string[];
  close(): Promise<void>;
}

const TEMPLATE = `https://${HOST}/{name}-{version}-{os}-{arch}.{ext}`;

export async function startPublisher(): Promise<Publisher> {
  const site = await startDiscoverySite({ hostName: HOST });
  const gpg = createGpg();
  site.tls.putDiscovery('/', [{ prefix: HOST, templates: [TEMPLATE] }]);
  return {
    site,
    gpg,
    async publish(name, options = {}) {
      const { version = '1.0', labels, signer, manifestName, compress, file, ...aci } = options;
      const full = `${HOST}/${name}`;
      const all = { version, os: 'linux', arch: 'amd64', ...labels };
      const plain = buildAci({ ...aci, name: manifestName ?? full, labels: all });
      const bytes = compress === undefined ? plain : compress(plain);
      const signature =
        options.signature ?? (signer === undefined ? undefined : await gpg.sign(signer, bytes));
      const path = `/${full}-${version}-linux-amd64.aci`;
      site.tls.putAci(path, bytes, { ...file, signature });
      return { name: `${full}:${version}`, url: `https://${HOST}${path}`, path, bytes };
    },
    requests: () =>
      site.tls.requests.filter(({ query }) => !query.includes('ac-discovery')).map(({ path }) => path),
    async close() {
      await Promise.all([site.close(), gpg.close()]);
    },
  };
}

export interface Client {
  readonly engine: Engine;
  readonly events: EngineEvent[];
  /** With keys that are trusted. */
  readonly configDir: string;
  readonly storeDir: string;
  trust(armored: Uint8Array, prefix: string | undefined): Promise<void>;
  /** Another engine on the same store and keys. */
  reopen(options?: Partial<EngineOptions>): Promise<Client>;
}

/** An engine that trusts the certificate of the site, whatever it is. */
export async function openClient(
  site: Pick<DiscoverySite, 'resolve'>,
  options: Partial<EngineOptions> = {},
): Promise<Client> {
  const configDir = options.trustDir ?? join(tempDir(), 'config');
  mkdirSync(configDir, { recursive: true });
  const storeDir = options.storeDir ?? tempDir();
  const events: EngineEvent[] = [];
  const { insecure, ...others } = options;
  const engine = await createEngine({
    storeDir,
    workers: 1,
    resolve: site.resolve,
    configDirs: [configDir],
    trustDir: configDir,
    onEvent: (event) => void events.push(event),
    ...others,
    insecure: { tls: true, ...insecure },
  });
  return {
    engine,
    events,
    configDir,
    storeDir,
    async trust(armored, prefix) {
      for (const key of await readKeys(armored)) await addKey(key, prefix, configDir);
    },
    reopen: (changes = {}) => openClient(site, { ...options, ...changes, trustDir: configDir, storeDir }),
  };
}
