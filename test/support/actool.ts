/** actool, the validator of the appc specification. */

import { run } from './process.js';

/** What it finds wrong with an ACI; empty when it accepts it. */
export async function actoolProblems(archive: string): Promise<string[]> {
  const { code, stdout, stderr } = await run('actool', ['validate', archive]);
  return code === 0 ? [] : [`actool ended with ${code}: ${stdout}${stderr}`];
}
