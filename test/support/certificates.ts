/** TLS certificates made for one run, by openssl. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './process.js';
import type { TlsFiles } from './servers/listener.js';
import { tempDir } from './temp.js';

export interface Certificate extends TlsFiles {
  /** For `NODE_EXTRA_CA_CERTS` of a child process. */
  readonly certPath: string;
  readonly keyPath: string;
}

/** A self-signed certificate for 127.0.0.1, localhost and the host names given. */
export async function createCertificate(hostNames: readonly string[] = []): Promise<Certificate> {
  const directory = tempDir('acifetch-tls-');
  const [keyPath, certPath] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const names = ['IP:127.0.0.1', 'DNS:localhost', ...hostNames.map((name) => `DNS:${name}`)];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath];
  const subject = ['-subj', '/CN=acifetch test', '-addext', `subjectAltName=${names.join(',')}`];
  await runTool('openssl', ['req', '-x509', ...key, '-out', certPath, '-days', '7', ...subject]);
  return { key: readFileSync(keyPath, 'utf8'), cert: readFileSync(certPath, 'utf8'), keyPath, certPath };
}
