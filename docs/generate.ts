/** Writes the pages of docs/ that are made from the code; with `--check` only says whether they are up to date. */

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cliUsage } from '../src/cli/run.js';
import { ERROR_CODES } from '../src/errors.js';

/** From dist/docs/, where this file runs. */
const docsDir = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'docs');

const NOTICE =
  '<!-- Made by docs/generate.ts. Do not edit: change the code, then run `node dist/docs/generate.js`. -->';

const PAGES: Readonly<Record<string, () => string>> = { 'cli.md': cliUsage, 'errors.md': errorsPage };

function errorsPage(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { exitCode, retryable, summary }]) =>
      `| ${exitCode} | \`${code}\` | ${retryable ? 'yes' : 'no'} | ${summary} |`,
  );
  return `# Errors

The library throws errors of one class, \`FetchError\`. Its \`code\` is one of this table and, like its \`stage\` (where in
the work it arose), is stable; the message is for people. \`exitCode\` is what a command ends with, and \`retryable\`
tells whether the same request may succeed when it is simply made again. Requests over the network that fail with a
retryable error are made again by themselves, three times at most.

| exit code | code | retryable | meaning |
|---|---|---|---|
${rows.join('\n')}

Exit codes beside these:

| exit code | meaning |
|---|---|
| 0 | done |
| 9 | some images of several failed; the reason of each is on stderr (\`aci prefetch\` ends with 8 when one failed for \`ERR_NO_SPACE\`) |
| 141 | nobody reads stdout any more |
| 143 | ended by SIGTERM |

On stderr an error is one line, \`aci: \` and what failed and why, then at most one line with a hint. \`--debug\` adds
code, stage, causes and stacks.
`;
}

function currentText(page: string): string | undefined {
  try {
    return readFileSync(join(docsDir, page), 'utf8');
  } catch {
    return undefined;
  }
}

const onlyCheck = process.argv.includes('--check');
for (const [page, render] of Object.entries(PAGES)) {
  const text = `${NOTICE}\n\n${render().trimEnd()}\n`;
  if (currentText(page) === text) continue;
  if (onlyCheck) {
    console.error(`docs/${page} is not up to date: run \`node dist/docs/generate.js\``);
    process.exitCode = 1;
  } else {
    writeFileSync(join(docsDir, page), text);
    console.error(`wrote docs/${page}`);
  }
}
