/** Events as NDJSON on stderr, with samples of the bytes of each download in between. */

import { type EngineEvent, type EventSubject, formatPlatform } from '../../index.js';
import { outcomeRecord } from '../outcome.js';
import { jsonText, redact } from '../text.js';
import { blobKey } from './lines.js';
import type { Reporter, ReporterOptions } from './reporter.js';

/** At most two samples a second for each download. */
const SAMPLE_MS = 500;

/** Whose record it is, without secrets. */
function subjectRecord(subject: EventSubject): Readonly<Record<string, unknown>> {
  const { image, dependencyOf, platform, signature } = subject;
  return {
    image: redact(image),
    ...(dependencyOf !== undefined && { dependencyOf: redact(dependencyOf) }),
    ...(platform !== undefined && { platform: formatPlatform(platform) }),
    ...(signature !== undefined && { signature: redact(signature) }),
  };
}

const SUBJECT_FIELDS = new Set(['image', 'dependencyOf', 'platform', 'signature']);

/**
 * An event as a plain record: `time` (ISO 8601), `event`, whose it is, then the other fields; functions are left out and
 * outcomes have the form of `fetch --json`.
 */
export function eventRecord(event: EngineEvent, time: Date): Readonly<Record<string, unknown>> {
  const subject = event.event === 'host.held' ? {} : subjectRecord(event);
  const record: Record<string, unknown> = { time: time.toISOString(), event: event.event, ...subject };
  for (const [key, value] of Object.entries(event)) {
    if (key === 'result' || SUBJECT_FIELDS.has(key)) continue;
    if (typeof value === 'string') record[key] = redact(value);
    else if (typeof value !== 'function' && value !== undefined) record[key] = value;
  }
  if ('result' in event) record['result'] = outcomeRecord(event.result);
  return record;
}

type StartedEvent = Extract<EngineEvent, { readonly event: 'blob.started' }>;

export interface JsonReporterOptions extends ReporterOptions {
  /** Default 500; the highest rate of samples for each download is one in this time. */
  readonly sampleMs?: number | undefined;
}

export function createJsonReporter({ stream, sampleMs = SAMPLE_MS }: JsonReporterOptions): Reporter {
  const downloads = new Map<string, { readonly started: StartedEvent; bytes: number }>();
  const print = (line: object) => stream.write(`${jsonText(line)}\n`);
  const record = (event: string, facts: Readonly<Record<string, unknown>>): void =>
    void print({ time: new Date().toISOString(), event, ...facts });

  function sample(): void {
    const time = new Date().toISOString();
    for (const download of downloads.values()) {
      const { blob, readBytes, sizeBytes } = download.started;
      const bytes = readBytes();
      if (bytes === download.bytes) continue;
      download.bytes = bytes;
      const subject = subjectRecord(download.started);
      print({ time, event: 'blob.progress', ...subject, blob: redact(blob), bytes, sizeBytes });
    }
  }

  const timer = setInterval(sample, sampleMs);
  timer.unref();

  return {
    onEvent: (event) => {
      print(eventRecord(event, new Date()));
      if (event.event === 'blob.started') downloads.set(blobKey(event), { started: event, bytes: 0 });
      if (event.event === 'blob.done' || event.event === 'blob.failed') downloads.delete(blobKey(event));
    },
    error: (message) => record('error', { message }),
    record,
    aside: (write) => write(),
    close: () => clearInterval(timer),
  };
}
