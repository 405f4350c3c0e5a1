/** The real registry (Debian's docker-registry) on a free port, with its files in a folder. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { start } from './process.js';
import { tempDir } from './temp.js';

export interface DockerRegistryOptions {
  /** Where the content lies. Default: a new temporary folder. */
  readonly dir?: string | undefined;
  readonly tls?: { readonly certPath: string; readonly keyPath: string } | undefined;
  /** File with the users that it lets in, by bcrypt. Default: everybody. */
  readonly htpasswd?: string | undefined;
}

export interface DockerRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  readonly pid: number;
  /** What it has logged so far. */
  readonly log: () => string;
  close(): Promise<void>;
}

/** Resolves when the registry answers. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const dir = options.dir ?? tempDir('acifetch-registry-');
  const configPath = join(tempDir('acifetch-registry-config-'), 'config.json');
  const tls = options.tls && { certificate: options.tls.certPath, key: options.tls.keyPath };
  const config = {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: false } },
    // Else it takes no manifest with layers that lie elsewhere.
    validation: { manifests: { urls: { allow: ['^https://'] } } },
    storage: { filesystem: { rootdirectory: dir }, delete: { enabled: true } },
    // Deprecated, but for whoever pushes it all the same.
    compatibility: { schema1: { enabled: true } },
    ...(options.htpasswd && { auth: { htpasswd: { realm: 'test', path: options.htpasswd } } }),
    http: { addr: '127.0.0.1:0', ...(tls === undefined ? {} : { tls }) },
  };
  // A YAML parser reads JSON.
  writeFileSync(configPath, JSON.stringify(config));
  const registry = start('docker-registry', ['serve', configPath], { timeoutMs: 3_600_000 });
  const ended = (): void => registry.kill('SIGKILL');
  process.once('exit', ended);
  await registry.waitForStderr(/listening on 127\.0\.0\.1:\d+/);
  const host = /listening on (127\.0\.0\.1:\d+)/.exec(registry.stderr())?.[1] ?? '';
  return {
    host,
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    pid: registry.pid,
    log: () => registry.stderr() + registry.stdout(),
    async close() {
      process.off('exit', ended);
      registry.kill('SIGKILL');
      await registry.done;
    },
  };
}
