/** `npm run bench -- SCENARIO...`: measures, and prints tables or JSON on stdout. */

import { parseArgs } from 'node:util';
import { missingOf, type Result, SCENARIOS } from './scenarios.js';
import { smoke } from './smoke.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
  },
});

const known = ['all', 'smoke', ...Object.keys(SCENARIOS)];
const isRight = positionals.length > 0 && positionals.every((name) => known.includes(name));
if (!isRight || !(Number(values.runs) >= 1) || !(Number(values.scale) > 0)) {
  process.stderr.write(`usage: npm run bench -- ${known.join('|')}... [--runs N] [--scale N] [--json]\n`);
  process.exitCode = 2;
} else {
  const names = positionals.flatMap((name) => (name === 'all' ? Object.keys(SCENARIOS) : [name]));
  const results: Result[] = [];
  for (const name of new Set(names)) {
    for (const result of name === 'smoke' ? await smoke() : await measured(name)) {
      if (!values.json) process.stdout.write(`${result.text}\n\n`);
      results.push(result);
    }
  }
  if (values.json) {
    const data = results.map((result) => result.data);
    process.stdout.write(`${JSON.stringify(data.length === 1 ? data[0] : data, null, 2)}\n`);
  }
}

async function measured(name: string): Promise<Result[]> {
  const missing = missingOf(SCENARIOS[name]?.tools ?? []);
  if (missing.length > 0) {
    const text = `${name}: not run, ${missing.join(' and ')} not installed`;
    return [{ data: { scenario: name, notInstalled: missing }, text }];
  }
  const options = { runs: Number(values.runs), scale: Number(values.scale), isSmoke: false };
  return (await SCENARIOS[name]?.run(options)) ?? [];
}
