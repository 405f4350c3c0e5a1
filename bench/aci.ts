/** `aci-https`, `aci-gzip` and `slow-link`: one ACI from a server process, beside what else downloads and hashes. */

import { rmSync } from 'node:fs';
import type { StageName } from './bound.js';
import { measure } from './measure.js';
import { type AciFile, aciFile } from './real-files.js';
import { type Contender, type Report, type ReportInput, report } from './report.js';
import { aci, certificate, emptyWork, megabytes, type ScenarioOptions, sameId, workDir } from './scenario.js';
import { type FileServerOptions, startFileServer } from './server-process.js';
import { measureStages } from './stages.js';

/** What the scenarios have their own of. */
interface AciScenario {
  readonly file: AciFile;
  readonly server?: Pick<FileServerOptions, 'bytesPerSecond' | 'latencyMs'>;
  peers(url: string, caFile: string | undefined): Pick<Contender, 'name' | 'tools' | 'run' | 'aim'>[];
  /** Stages of the bound that one core has to do alone; none for no bound. */
  readonly serial?: readonly StageName[];
  readonly boundAim?: number;
  readonly ideal?: NonNullable<ReportInput['ideal']>;
}

export async function benchAciHttps(options: ScenarioOptions): Promise<Report> {
  const file = await aciFile(1e9 * options.scale, 'plain');
  return await benchAci('aci-https', options, {
    file,
    peers: (url, caFile) => [aria(url, caFile, 0.5)],
    serial: ['sha512Ms'],
    boundAim: 1.25,
  });
}

export async function benchAciGzip(options: ScenarioOptions): Promise<Report> {
  const file = await aciFile(1e9 * options.scale, 'gzip');
  const pipe = (url: string, caFile: string | undefined, inflate: string, hash: string): string =>
    `curl -sS ${caFile === undefined ? '' : `--cacert '${caFile}'`} '${url}' | ${inflate} -dc | ${hash}`;
  return await benchAci('aci-gzip', options, {
    file,
    peers: (url, caFile) => [
      {
        name: 'curl \\| igzip -dc \\| openssl sha512',
        tools: ['curl', 'igzip', 'openssl'],
        run: () => measure(pipe(url, caFile, 'igzip', 'openssl sha512')),
      },
      {
        name: 'curl \\| gzip -dc \\| sha512sum',
        tools: ['curl', 'gzip', 'sha512sum'],
        run: () => measure(pipe(url, caFile, 'gzip', 'sha512sum')),
      },
    ],
    // One gzip stream is inflated by one core.
    serial: ['sha512Ms', 'inflateMs'],
  });
}

const SLOW = { bytesPerSecond: 10e6, latencyMs: 50 };
/** As many as `aci` opens to one host. */
const CONNECTIONS = 8;

export async function benchSlowLink(options: ScenarioOptions): Promise<Report> {
  const file = await aciFile(1e9 * options.scale, 'plain');
  return await benchAci('slow-link', options, {
    file,
    server: SLOW,
    peers: (url, caFile) => [aria(url, caFile)],
    ideal: {
      name: `size / (${CONNECTIONS} x 10 MB/s)`,
      ms: (file.wireBytes / (CONNECTIONS * SLOW.bytesPerSecond)) * 1000,
      aim: 1.15,
    },
  });
}

async function benchAci(scenario: string, options: ScenarioOptions, own: AciScenario): Promise<Report> {
  const { file, serial, boundAim, ideal } = own;
  const tls = await certificate(options);
  const caFile = tls?.certPath;
  const server = await startFileServer({ directory: file.directory, tls, ...own.server });
  const url = `${server.url}/${file.name}`;
  const store = `${workDir}/store`;
  const prepare = () => emptyWork(options.scale);
  const measureBound = () =>
    measureStages({
      urls: [url],
      serverPid: server.pid,
      caFile,
      gzipFiles: file.wireBytes === file.tarBytes ? [] : [file.path],
      wireBytes: file.wireBytes,
      tarBytes: file.tarBytes,
      hasWireDigest: false,
      directory: workDir,
    });
  const command = `${aci({ store, insecure: 'image,http', caFile })} fetch --full '${url}'`;
  try {
    return await report({
      scenario,
      about: `an ACI of ${megabytes(file.tarBytes)} (${megabytes(file.wireBytes)} to download)${tls === undefined ? '' : ' over TLS'}`,
      runs: options.runs,
      contenders: [
        { name: 'aci fetch', prepare, run: () => measure(command), check: sameId() },
        ...own.peers(url, caFile).map((peer) => ({ ...peer, prepare })),
      ],
      ...(serial && {
        bound: { measure: measureBound, serial, ...(boundAim !== undefined && { aim: boundAim }) },
      }),
      ...(ideal && { ideal }),
    });
  } finally {
    await server.close();
    rmSync(workDir, { recursive: true, force: true });
  }
}

function aria(url: string, caFile: string | undefined, aim?: number): Omit<Contender, 'prepare'> {
  const ca = caFile === undefined ? '' : `--ca-certificate='${caFile}'`;
  const options = `-q -x8 -s8 -k1M --file-allocation=none ${ca} -d '${workDir}' -o downloaded`;
  return {
    name: 'aria2c -x8, then sha512sum',
    tools: ['aria2c', 'sha512sum'],
    run: () => measure(`aria2c ${options} '${url}'; sha512sum '${workDir}/downloaded'`),
    ...(aim !== undefined && { aim }),
  };
}
