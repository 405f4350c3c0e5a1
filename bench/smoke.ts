/** `smoke`: every scenario at a size that takes seconds, so that none of them rots; its figures mean nothing. */

import { missingOf, type Result, SCENARIOS } from './scenarios.js';

const SCALE = 0.002;

/** Says what it ran, for tables would look like figures. */
export async function smoke(): Promise<Result[]> {
  const results: Result[] = [];
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    const missing = missingOf(scenario.smokeTools ?? []);
    if (missing.length === 0) await scenario.run({ runs: 1, scale: SCALE, isSmoke: true });
    const text = `smoke: ${name} ${missing.length === 0 ? 'runs' : `left out, ${missing.join(' and ')} not installed`}`;
    results.push({ data: { scenario: name, ran: missing.length === 0 }, text });
  }
  return results;
}
