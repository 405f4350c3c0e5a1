/** A line for each fact, without control sequences: for logs and continuous integration. */

import { formatBytes, formatDuration } from '../format.js';
import { blobKey, downloadLine, imageSuffix, informationalLines, shortBlobName } from './lines.js';
import type { Reporter, ReporterOptions } from './reporter.js';

/** A download tells of itself this often. */
const INTERVAL_MS = 10_000;

interface Download {
  readonly subject: string;
  readonly suffix: string;
  readonly sizeBytes: number | undefined;
  readonly readBytes: () => number;
  readonly startedAtMs: number;
  toldAtMs: number;
  told: boolean;
}

export interface PlainReporterOptions extends ReporterOptions {
  /** A clock in milliseconds. Default: performance.now. */
  readonly now?: (() => number) | undefined;
  /** How often downloads are looked at. Default 1000. */
  readonly tickMs?: number | undefined;
}

export function createPlainReporter(options: PlainReporterOptions): Reporter {
  const { stream, several, now = () => performance.now(), tickMs = 1000 } = options;
  const lineOf = informationalLines(several ? 'several' : 'one');
  const downloads = new Map<string, Download>();
  const print = (line: string) => stream.write(`${line}\n`);

  function tellProgress(): void {
    const atMs = now();
    for (const download of downloads.values()) {
      if (atMs - download.toldAtMs < INTERVAL_MS) continue;
      download.toldAtMs = atMs;
      download.told = true;
      print(progressLine(download, atMs));
    }
  }

  const timer = setInterval(tellProgress, tickMs);
  timer.unref();

  return {
    onEvent: (event) => {
      const line = lineOf(event);
      if (line !== undefined) print(line);
      switch (event.event) {
        case 'blob.started': {
          print(downloadLine(event.kind, event.blob, event.image, several));
          const atMs = now();
          downloads.set(blobKey(event), {
            subject: `${event.kind} ${shortBlobName(event.blob)}`,
            suffix: imageSuffix(event.image, several),
            sizeBytes: event.sizeBytes,
            readBytes: event.readBytes,
            startedAtMs: atMs,
            toldAtMs: atMs,
            told: false,
          });
          break;
        }
        case 'blob.done': {
          const download = downloads.get(blobKey(event));
          downloads.delete(blobKey(event));
          // A quick download has been told of by its first line.
          if (download?.told) {
            const took = formatDuration(now() - download.startedAtMs);
            print(
              `Downloaded ${download.subject}: ${formatBytes(event.sizeBytes)} in ${took}${download.suffix}`,
            );
          }
          break;
        }
        case 'blob.failed':
          downloads.delete(blobKey(event));
          break;
      }
    },
    error: print,
    aside: (write) => write(),
    close: () => clearInterval(timer),
  };
}

function progressLine(
  { subject, suffix, sizeBytes, readBytes, startedAtMs }: Download,
  atMs: number,
): string {
  const bytes = readBytes();
  const after = formatDuration(atMs - startedAtMs);
  const share =
    sizeBytes === undefined || sizeBytes === 0
      ? formatBytes(bytes)
      : `${formatBytes(bytes)}/${formatBytes(sizeBytes)} (${Math.floor((100 * bytes) / sizeBytes)}%)`;
  return `Downloading ${subject}: ${share} after ${after}${suffix}`;
}
