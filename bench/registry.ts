/** The registry of a scenario: the real one in a process of its own, or the tests' one where no tool is needed. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDockerRegistry } from '../test/support/docker-registry.js';
import { startRegistry } from '../test/support/servers/registry.js';
import { pushLayout } from '../test/support/skopeo.js';
import { cacheDir } from './real-files.js';

export interface BenchRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
  /** Pushes what `ref` names in an OCI layout as `REPOSITORY:1.0`. */
  push(layout: string, ref: string, repository: string): Promise<void>;
  /** What was asked for by GET so far, in turn. */
  blobRequests(): BlobRequest[];
  close(): Promise<void>;
}

/** A request for a blob. */
export interface BlobRequest {
  readonly digest: string;
  /** Whether it was for a part, or for what is missing. */
  readonly isPart: boolean;
  /** Of the answer. */
  readonly sentBytes: number;
}

export const TAG = '1.0';

export async function startRealRegistry(): Promise<BenchRegistry> {
  const registry = await startDockerRegistry({ dir: join(cacheDir, 'registry') });
  return {
    host: registry.host,
    pid: registry.pid,
    push: (layout, ref, repository) =>
      pushLayout({ layout, ref, registryHost: registry.host, target: `${repository}:${TAG}` }),
    blobRequests: () => blobRequestsOf(registry.log()),
    close: () => registry.close(),
  };
}

/** In this process and in memory: for images of a few megabytes. */
export async function startSmallRegistry(): Promise<BenchRegistry> {
  const registry = await startRegistry();
  return {
    host: registry.host,
    pid: process.pid,
    async push(layout, ref, repository) {
      const blob = (digest: string): Buffer =>
        readFileSync(join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length)));
      const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Index;
      const found = manifests.find(({ annotations }) => Object.values(annotations).includes(ref));
      if (found === undefined) throw new Error(`no ${ref} in ${layout}`);
      const manifestBytes = blob(found.digest);
      const { config, layers } = JSON.parse(manifestBytes.toString()) as Manifest;
      const blobs = [config, ...layers].map(({ digest }) => ({ digest, bytes: blob(digest) }));
      const { mediaType, digest: manifestDigest } = found;
      registry.push(repository, TAG, { mediaType, manifestBytes, manifestDigest, blobs });
    },
    blobRequests: () =>
      registry.requests
        .filter(({ method }) => method === 'GET')
        .flatMap(({ path, status, sentBytes }) => {
          const digest = /\/blobs\/(.+)$/.exec(path)?.[1];
          return digest === undefined ? [] : { digest, isPart: status === 206, sentBytes };
        }),
    close: () => registry.close(),
  };
}

interface Index {
  readonly manifests: readonly {
    readonly mediaType: string;
    readonly digest: string;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/** From the access log of docker-registry, in Apache's combined format. */
export function blobRequestsOf(log: string): BlobRequest[] {
  const lines = log.matchAll(/"GET \/v2\/\S+\/blobs\/(\S+) HTTP\/[\d.]+" (\d+) (\d+)/g);
  return [...lines].map(([, digest = '', status, sentBytes]) => ({
    digest,
    isPart: status === '206',
    sentBytes: Number(sentBytes),
  }));
}
