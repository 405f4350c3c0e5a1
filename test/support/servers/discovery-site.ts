/** A host with discovery pages, images, signatures and keys over TLS, and the same over plain HTTP beside it. */

import type { ResolveOverride } from '../../../src/types.js';
import { type Certificate, createCertificate } from '../certificates.js';
import { type AciServer, startAciServer } from './aci-server.js';
import type { FaultPlan } from './faults.js';

export interface DiscoverySiteOptions {
  /** Default `example.test`. */
  readonly hostName?: string | undefined;
  /** Default: one made for the host and for no other. */
  readonly certificate?: Certificate | undefined;
  /** Of the TLS server; each server takes others by `setFaults`. */
  readonly faults?: FaultPlan | undefined;
}

export interface DiscoverySite {
  readonly hostName: string;
  /** `https://HOSTNAME` */
  readonly url: string;
  /** Port 443 of the host. */
  readonly tls: AciServer;
  /** Port 80 of the host; without content. */
  readonly plain: AciServer;
  /** Leads both ports here. */
  readonly resolve: readonly ResolveOverride[];
  /** The same for the command line. */
  readonly resolveArguments: readonly string[];
  /** With which a child process trusts the certificate. */
  readonly environment: Readonly<Record<string, string>>;
  readonly certificate: Certificate;
  close(): Promise<void>;
}

/** Starts both servers without content. */
export async function startDiscoverySite(options: DiscoverySiteOptions = {}): Promise<DiscoverySite> {
  const { hostName = 'example.test', faults } = options;
  const certificate = options.certificate ?? (await createCertificate([hostName]));
  const tls = await startAciServer({ tls: certificate, faults });
  const plain = await startAciServer();
  const address = '127.0.0.1';
  const resolve = [
    { host: hostName, port: 443, address, addressPort: tls.port },
    { host: hostName, port: 80, address, addressPort: plain.port },
  ];
  return {
    hostName,
    url: `https://${hostName}`,
    tls,
    plain,
    resolve,
    resolveArguments: resolve.flatMap(({ host, port, addressPort }) => [
      '--resolve',
      `${host}:${port}:${address}:${addressPort}`,
    ]),
    environment: { NODE_EXTRA_CA_CERTS: certificate.certPath },
    certificate,
    async close() {
      await Promise.all([tls.close(), plain.close()]);
    },
  };
}
