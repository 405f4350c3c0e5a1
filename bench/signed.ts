/** `aci-signed`: what the verification of a signature adds to the fetch of an ACI, beside the same fetch without it. */

import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addKey } from '../src/trust/keystore.js';
import { readKeys } from '../src/trust/read-keys.js';
import { createGpg } from '../test/support/gpg.js';
import { type Measurement, measure } from './measure.js';
import { ACI_NAME, type AciFile, aciFile, cacheDir } from './real-files.js';
import { type Report, report } from './report.js';
import { aci, certificate, emptyWork, megabytes, type ScenarioOptions, workDir } from './scenario.js';
import { startFileServer } from './server-process.js';

const KINDS = ['plain', 'gzip'] as const;
const DIGESTS = ['SHA512', 'SHA256'] as const;
const ACI_BYTES = 300e6;
const MOST_OF_UNVERIFIED = 1.1;

/** One report for each kind of ACI and digest; a smoke run has one digest. */
export async function benchSigned(options: ScenarioOptions): Promise<Report[]> {
  const signed = join(cacheDir, 'signed');
  const [config, directory] = [join(signed, 'config'), join(signed, 'www')];
  rmSync(signed, { recursive: true, force: true });
  for (const folder of [config, directory]) mkdirSync(folder, { recursive: true });
  const gpg = createGpg();
  try {
    const fingerprint = await gpg.createKey('Bench');
    for (const key of await readKeys(await gpg.exportKeys([fingerprint])))
      await addKey(key, ACI_NAME, config);
    const cases: { name: string; file: AciFile }[] = [];
    for (const kind of KINDS) {
      const file = await aciFile(ACI_BYTES * options.scale, kind);
      for (const digest of options.isSmoke ? DIGESTS.slice(0, 1) : DIGESTS) {
        const name = `${kind}-${digest}`;
        symlinkSync(file.path, join(directory, `${name}.aci`));
        const signature = await gpg.sign(fingerprint, readFileSync(file.path), { digest });
        writeFileSync(join(directory, `${name}.aci.asc`), signature);
        cases.push({ name, file });
      }
    }
    const tls = await certificate(options);
    const server = await startFileServer({ directory, tls });
    try {
      const reports: Report[] = [];
      for (const { name, file } of cases) {
        const url = `${server.url}/${name}.aci`;
        reports.push(await compare({ name, file, url, caFile: tls?.certPath, config }, options));
      }
      return reports;
    } finally {
      await server.close();
    }
  } finally {
    await gpg.close();
    rmSync(signed, { recursive: true, force: true });
    rmSync(workDir, { recursive: true, force: true });
  }
}

interface SignedCase {
  readonly name: string;
  readonly file: AciFile;
  readonly url: string;
  readonly caFile: string | undefined;
  readonly config: string;
}

function compare(
  { name, file, url, caFile, config }: SignedCase,
  { runs, scale }: ScenarioOptions,
): Promise<Report> {
  const command = (insecure: string): string =>
    aci({
      store: `${workDir}/store`,
      insecure,
      caFile,
      options: `--user-config '${config}' --local-config '${workDir}' --json`,
    });
  const prepare = () => emptyWork(scale);
  const isVerified =
    (expected: boolean) =>
    ({ stdout }: Measurement): void => {
      const { verified } = JSON.parse(stdout) as { verified: boolean };
      if (verified !== expected) throw new Error(`verified or not, against what was asked for: ${stdout}`);
    };
  return report({
    scenario: `aci-signed, ${name}`,
    about: `an ACI of ${megabytes(file.tarBytes)} (${megabytes(file.wireBytes)} to download)`,
    runs,
    contenders: [
      {
        name: 'aci fetch',
        prepare,
        run: () => measure(`${command('http')} fetch '${url}'`),
        check: isVerified(true),
      },
      {
        name: 'the same, not verified',
        prepare,
        run: () => measure(`${command('http,image')} fetch '${url}'`),
        check: isVerified(false),
        aim: MOST_OF_UNVERIFIED,
      },
    ],
  });
}
