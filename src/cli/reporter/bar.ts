/** One progress bar, and the frame of all bars, as lines of a given width. */

import { formatBytes, formatDuration } from '../format.js';

export interface Bar {
  /** `Downloading layer: 4986bf8c1536` */
  readonly label: string;
  readonly doneBytes: number;
  /** Undefined when the server does not tell. */
  readonly sizeBytes?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  /** Shown behind the byte counts in place of speed and time left, as `failed`. */
  readonly state?: string | undefined;
}

const BAR_MIN = 10;
const BAR_MAX = 40;

/**
 * `Downloading layer: 4986bf8c1536 [=====>      ] 3.25 MB/3.7 MB 12.3 MB/s 2s`, never longer than `columns`.
 * Where that is too long, the time left goes first, then the speed, then the bar, then the end of the text.
 */
export function renderBar(bar: Bar, columns: number): string {
  const counts =
    bar.sizeBytes === undefined
      ? formatBytes(bar.doneBytes)
      : `${formatBytes(bar.doneBytes)}/${formatBytes(bar.sizeBytes)}`;
  const fixed = bar.state === undefined ? [counts] : [counts, bar.state];
  const extras = bar.state === undefined ? speedAndTime(bar) : [];
  for (let count = extras.length; count >= 0; count--) {
    const tail = [...fixed, ...extras.slice(0, count)].join(' ');
    const room = columns - bar.label.length - tail.length - ' [] '.length;
    if (bar.sizeBytes !== undefined && room >= BAR_MIN) {
      const width = Math.min(BAR_MAX, room);
      return `${bar.label} [${filled(bar.doneBytes / Math.max(1, bar.sizeBytes), width)}] ${tail}`;
    }
    if (bar.sizeBytes === undefined && room >= 0) return `${bar.label} ${tail}`;
  }
  return truncate([bar.label, ...fixed].join(' '), columns);
}

function speedAndTime({ doneBytes, sizeBytes, bytesPerSecond }: Bar): string[] {
  if (bytesPerSecond === undefined || bytesPerSecond < 1) return [];
  const speed = `${formatBytes(bytesPerSecond)}/s`;
  if (sizeBytes === undefined || sizeBytes <= doneBytes) return [speed];
  const seconds = Math.ceil((sizeBytes - doneBytes) / bytesPerSecond);
  return [speed, formatDuration(seconds * 1000)];
}

function filled(fraction: number, width: number): string {
  const length = Math.floor(Math.min(1, Math.max(0, fraction)) * width);
  if (length >= width) return '='.repeat(width);
  return `${'='.repeat(length)}>`.padEnd(width);
}

export function truncate(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}

/** The lines below the log: as many bars as there is room for, those that move first, and how many more there are. */
export function renderFrame(bars: readonly Bar[], columns: number, rows: number): string[] {
  const room = Math.max(1, rows - 2);
  if (bars.length <= room) return bars.map((bar) => renderBar(bar, columns));
  const moving = bars.filter(({ doneBytes }) => doneBytes > 0);
  const waiting = bars.filter(({ doneBytes }) => doneBytes === 0);
  const shown = [...moving, ...waiting].slice(0, Math.max(1, room - 1));
  const hidden = bars.length - shown.length;
  return [...shown.map((bar) => renderBar(bar, columns)), truncate(`… and ${hidden} more`, columns)].slice(
    0,
    room,
  );
}
