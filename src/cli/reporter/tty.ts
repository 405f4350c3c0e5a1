/** Bars at the bottom of a terminal, one for each download, below the lines of the log. */

import type { Writable } from 'node:stream';
import type { EngineEvent } from '../../index.js';
import { printable } from '../text.js';
import { type Bar, renderBar, renderFrame, truncate } from './bar.js';
import { blobKey, crowdOf, informationalLines, shortBlobName } from './lines.js';
import { nextRate, type RateState } from './rate.js';
import type { Reporter, ReporterOptions } from './reporter.js';
import { createTotal, imagesText, type TotalState } from './total.js';

const REDRAW_MS = 100;
const ERASE_BELOW = '\u001b[J';
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const IMAGE_WIDTH = 24;

interface Download {
  readonly label: string;
  readonly sizeBytes: number | undefined;
  readonly readBytes: () => number;
  rate: RateState;
}

export interface TtyReporterOptions extends ReporterOptions {
  /** A clock in milliseconds. Default: performance.now. */
  readonly now?: (() => number) | undefined;
  /** Default 100. */
  readonly redrawMs?: number | undefined;
}

export function createTtyReporter(options: TtyReporterOptions): Reporter {
  const { stream, several, batch, now = () => performance.now(), redrawMs = REDRAW_MS } = options;
  const lineOf = informationalLines(crowdOf(several, batch));
  const total = batch === undefined ? undefined : createTotal(batch);
  const downloads = new Map<string, Download>();
  let status: string | undefined;
  let drawn = 0;
  let timer: NodeJS.Timeout | undefined;

  const eraseBars = () => (drawn === 0 ? '' : `\u001b[${drawn}A\r${ERASE_BELOW}`);

  function headOf(columns: number): string[] {
    if (status !== undefined) return [truncate(status, columns)];
    return total === undefined ? [] : [renderBar(totalBar(total.look(now())), columns)];
  }

  /** One write for each frame, so that nothing flickers: old bars off, text, new bars on. */
  function redraw(text = ''): void {
    const { columns, rows } = terminalSize(stream);
    const bars = [...downloads.values()].map(barOf);
    const lines = headOf(columns);
    lines.push(...renderFrame(bars, columns, rows - lines.length));
    stream.write(eraseBars() + text + lines.map((line) => `${line}\n`).join(''));
    drawn = lines.length;
  }

  function tick(): void {
    const atMs = now();
    for (const download of downloads.values()) {
      download.rate = nextRate(download.rate, download.readBytes(), atMs);
    }
    redraw();
  }

  function start(): void {
    if (timer !== undefined) return;
    stream.write(HIDE_CURSOR);
    process.once('exit', showCursor);
    timer = setInterval(tick, redrawMs);
    timer.unref();
  }

  function stop(): void {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    process.removeListener('exit', showCursor);
    showCursor();
  }

  function showCursor(): void {
    stream.write(SHOW_CURSOR);
  }

  function finish(event: Extract<EngineEvent, { event: 'blob.done' | 'blob.failed' }>): void {
    const download = downloads.get(blobKey(event));
    if (download === undefined) return;
    downloads.delete(blobKey(event));
    // Of many downloads only the total is worth keeping on the screen.
    if (batch !== undefined && event.event === 'blob.done') {
      redraw();
      return;
    }
    const last = { ...barOf(download), bytesPerSecond: undefined };
    const bar: Bar =
      event.event === 'blob.done'
        ? { ...last, doneBytes: event.sizeBytes, sizeBytes: event.sizeBytes }
        : { ...last, state: 'failed' };
    redraw(`${renderBar(bar, terminalSize(stream).columns)}\n`);
    if (downloads.size === 0 && batch === undefined) stop();
  }

  return {
    onEvent: (event) => {
      total?.onEvent(event);
      const line = lineOf(event);
      if (line !== undefined) redraw(`${line}\n`);
      if (event.event === 'blob.started') {
        downloads.set(blobKey(event), downloadOf(event, several, now()));
        start();
        redraw();
      }
      if (event.event === 'blob.done' || event.event === 'blob.failed') finish(event);
    },
    error: (text) => redraw(`${text}\n`),
    status: (text) => {
      status = text;
      redraw();
    },
    aside: (write) => {
      stream.write(eraseBars());
      drawn = 0;
      write();
      redraw();
    },
    close: () => {
      stream.write(eraseBars());
      drawn = 0;
      stop();
    },
  };
}

type StartedEvent = Extract<EngineEvent, { event: 'blob.started' }>;

function downloadOf(event: StartedEvent, several: boolean, atMs: number): Download {
  const { kind, blob, image, sizeBytes, readBytes, resumedBytes } = event;
  const name = kind === 'aci' && !several ? '' : ` ${shortBlobName(blob)}`;
  const suffix = several ? ` (${truncate(shortImage(image), IMAGE_WIDTH)})` : '';
  const label = `Downloading ${kind}:${name}${suffix}`;
  return { label, sizeBytes, readBytes, rate: { bytes: resumedBytes, atMs } };
}

function shortImage(image: string): string {
  return printable(image).replace(/^[a-z]+:\/\//, '');
}

function totalBar(state: TotalState): Bar {
  const { doneBytes, allBytes, bytesPerSecond } = state;
  return { label: imagesText(state), doneBytes, sizeBytes: allBytes, bytesPerSecond };
}

function barOf({ label, sizeBytes, rate }: Download): Bar {
  return { label, sizeBytes, doneBytes: rate.bytes, bytesPerSecond: rate.bytesPerSecond };
}

/** One column stays free: a line that fills the last one would wrap on some terminals. */
function terminalSize(stream: Writable): { readonly columns: number; readonly rows: number } {
  const columns = 'columns' in stream ? Number(stream.columns) : Number.NaN;
  const rows = 'rows' in stream ? Number(stream.rows) : Number.NaN;
  return { columns: (columns >= 1 ? columns : 80) - 1, rows: rows >= 1 ? rows : 24 };
}
