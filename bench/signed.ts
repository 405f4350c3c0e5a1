/** `signed`: what the verification of a signature adds to the fetch of an ACI, beside the same fetch without it. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { addKey } from '../src/trust/keystore.js';
import { readKeys } from '../src/trust/read-keys.js';
import { createCertificate } from '../test/support/certificates.js';
import { createGpg } from '../test/support/gpg.js';
import { buildAci } from '../test/support/images/aci.js';
import { aciScript } from '../test/support/project.js';
import { startAciServer } from '../test/support/servers/aci-server.js';
import { hasTool } from '../test/support/tools.js';
import { cacheDir } from './big-image.js';
import { type Measurement, measure } from './measure.js';
import { type Report, report } from './report.js';

const NAME = 'example.test/bench';
const DIGESTS = ['SHA512', 'SHA256'] as const;

/** One report for each kind of ACI and digest: a single file of real data, plain and gzipped, over TLS. */
export async function benchSigned(aciBytes: number, runs: number): Promise<Report[]> {
  if (!hasTool('gpg')) throw new Error('gpg is not installed: run the tests once, or install it');
  const work = join(cacheDir, 'signed');
  const config = join(work, 'config');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(config, { recursive: true });
  const gpg = createGpg();
  const certificate = await createCertificate();
  const server = await startAciServer({ tls: certificate });
  try {
    const fingerprint = await gpg.createKey('Bench');
    for (const key of await readKeys(await gpg.exportKeys([fingerprint]))) await addKey(key, NAME, config);
    const plain = buildAci({ name: NAME, entries: [{ path: 'data', data: realData(aciBytes) }] });
    const reports: Report[] = [];
    for (const [kind, bytes] of [
      ['plain', plain],
      ['gzip', gzipSync(plain)],
    ] as const) {
      for (const digest of DIGESTS) {
        const signature = await gpg.sign(fingerprint, bytes, { digest });
        const url = server.putAci('/bench.aci', bytes, { signature });
        const size = { tarBytes: plain.length, gzipBytes: bytes.length, layers: 1 };
        reports.push(
          await compare(`signed, ${kind}, ${digest}`, size, {
            url,
            ca: certificate.certPath,
            config,
            work,
            runs,
          }),
        );
      }
    }
    return reports;
  } finally {
    await Promise.all([server.close(), gpg.close()]);
    rmSync(work, { recursive: true, force: true });
  }
}

interface Comparison {
  readonly url: string;
  readonly ca: string;
  readonly config: string;
  readonly work: string;
  readonly runs: number;
}

function compare(
  scenario: string,
  size: Pick<Parameters<typeof report>[0], 'tarBytes' | 'gzipBytes' | 'layers'>,
  { url, ca, config, work, runs }: Comparison,
): Promise<Report> {
  const store = join(work, 'store');
  const options = `--dir '${store}' --user-config '${config}' --local-config '${work}' --progress=none`;
  const aci = (insecure: string): string =>
    `NODE_EXTRA_CA_CERTS='${ca}' node '${aciScript}' ${options} --insecure-options=${insecure} --json fetch '${url}'`;
  const prepare = async (): Promise<void> => void (await measure(`rm -rf '${store}'; sync`));
  const contenders = [
    { name: 'verified', prepare, run: () => measure(aci('none')) },
    { name: 'not verified', prepare, run: () => measure(aci('image')) },
  ];
  const check = (name: string, { stdout }: Measurement): void => {
    const { verified } = JSON.parse(stdout) as { verified: boolean };
    if (verified !== (name === 'verified')) throw new Error(`${name}: ${stdout}`);
  };
  return report({ scenario, ...size, contenders, runs, check });
}

function realData(bytes: number): Buffer {
  mkdirSync(cacheDir, { recursive: true });
  const path = join(cacheDir, `data-${bytes}`);
  if (!existsSync(path)) {
    writeFileSync(path, '');
    execFileSync('bash', ['-c', `(tar -cf - /usr/lib 2>/dev/null || true) | head -c ${bytes} > '${path}'`]);
  }
  return readFileSync(path);
}
