/** A report as tables of Markdown. */

import type { StageName } from './bound.js';
import { type Figure, type Report, seconds } from './report.js';

const STAGES: readonly (readonly [StageName, string])[] = [
  ['downloadMs', 'download'],
  ['sha256Ms', 'SHA-256'],
  ['inflateMs', 'inflate'],
  ['sha512Ms', 'SHA-512'],
  ['writeMs', 'write'],
  ['servingMs', "the server's share"],
];

const ROWS_HEAD = ['| | wall s | CPU s | peak RSS MB | wall of the first / this |', '|---|---|---|---|---|'];

export function formatReport({
  scenario,
  about,
  machine,
  runs,
  rows,
  figures,
  stages,
  notInstalled,
}: Report): string {
  const costs = stages && STAGES.map(([name, words]) => `${words} ${seconds(stages[name])}`);
  return [
    `### ${scenario}`,
    '',
    `${about}; ${machine.cpus} x ${machine.model}, Node ${machine.node}; medians of ${runs}`,
    '',
    ...(rows.length === 0 ? [] : ROWS_HEAD),
    ...rows.map(({ name, wallMs, cpuMs, peakRssBytes, ratio }) => {
      const rss = Math.round(peakRssBytes / 1e6);
      return `| ${name} | ${seconds(wallMs)} | ${seconds(cpuMs)} | ${rss} | ${ratio.toFixed(2)} |`;
    }),
    ...notInstalled.map((name) => `| ${name} | not installed | | | |`),
    ...(rows.length === 0 ? [] : ['']),
    '| | figure | aim | |',
    '|---|---|---|---|',
    ...figures.map(figureRow),
    ...(costs === undefined ? [] : ['', `CPU s of the stages by themselves: ${costs.join(', ')}`]),
  ].join('\n');
}

function figureRow({ what, value, atMost, isMet }: Figure): string {
  const text = value >= 100 ? String(Math.round(value)) : value.toFixed(2);
  const aim = atMost === undefined ? '' : `≤ ${Math.round(atMost * 100) / 100}`;
  return `| ${what} | ${text} | ${aim} | ${isMet === undefined ? '' : isMet ? 'met' : 'not met'} |`;
}
