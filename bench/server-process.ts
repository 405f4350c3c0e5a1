/** Starts the file server in a process of its own, so that its CPU time is not the client's. */

import { join } from 'node:path';
import { start } from '../test/support/process.js';
import { projectDir } from '../test/support/project.js';

export interface FileServerOptions {
  /** Its files are served by their names, as they are when the server starts. */
  readonly directory: string;
  readonly tls?: { readonly certPath: string; readonly keyPath: string } | undefined;
  /** Of each connection. Default: no limit. */
  readonly bytesPerSecond?: number | undefined;
  /** Before each answer. */
  readonly latencyMs?: number | undefined;
}

export interface FileServer {
  /** Without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

export async function startFileServer(options: FileServerOptions): Promise<FileServer> {
  const script = join(projectDir, 'dist', 'bench', 'file-server.js');
  const server = start(process.execPath, [script, JSON.stringify(options)], { timeoutMs: 7_200_000 });
  const ended = (): void => server.kill('SIGKILL');
  process.once('exit', ended);
  await server.waitForStderr(/listening on \S+\n/);
  const host = /listening on (\S+)\n/.exec(server.stderr())?.[1] ?? '';
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}`,
    pid: server.pid,
    async close() {
      process.off('exit', ended);
      server.kill('SIGKILL');
      await server.done;
    },
  };
}
