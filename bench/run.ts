/** `npm run bench -- SCENARIO [--json]`: measures, and prints a table or JSON on stdout. */

import { parseArgs } from 'node:util';
import { benchCodecs } from './codecs.js';
import { benchDocker } from './docker.js';
import { benchHash } from './hash.js';
import { formatReport } from './report.js';
import { benchSigned } from './signed.js';
import { benchSmoke } from './smoke.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '1000' },
  },
});

const print = (result: object, text: string): void =>
  void process.stdout.write(`${values.json ? JSON.stringify(result, null, 2) : text}\n`);

switch (positionals[0]) {
  case 'docker': {
    const size = { tarBytes: Number(values.megabytes) * 1e6, layers: 6 };
    const result = await benchDocker({ ...size, runs: Number(values.runs) });
    print(result, formatReport(result));
    break;
  }
  case 'hash': {
    const result = await benchHash(256, Number(values.runs));
    const rows = Object.entries(result.megabytesPerSecond).map(([name, speed]) => `${name}: ${speed} MB/s`);
    print(result, [`SHA-512, Node ${result.node}`, ...rows].join('\n'));
    break;
  }
  case 'codecs': {
    const result = await benchCodecs(64e6, Number(values.runs));
    const rows = Object.entries(result.megabytesPerCpuSecond).map(
      ([name, { ours, tool }]) => `${name}: ${ours} MB a CPU second, the tool ${tool}`,
    );
    print(result, [`inflating, Node ${result.node}`, ...rows].join('\n'));
    break;
  }
  case 'signed': {
    const result = await benchSigned(300e6, Number(values.runs));
    print(result, result.map(formatReport).join('\n\n'));
    break;
  }
  case 'smoke': {
    const result = await benchSmoke();
    print(result, formatReport(result));
    break;
  }
  default:
    process.stderr.write(
      'usage: npm run bench -- docker|hash|codecs|signed|smoke [--json] [--runs N] [--megabytes N]\n',
    );
    process.exitCode = 2;
}
