/** Reporters against a stream: what of a run's events reaches stderr. */

import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createBatchReporter } from '../../../src/cli/reporter/batch.js';
import { reporterKind } from '../../../src/cli/reporter/create.js';
import { createJsonReporter } from '../../../src/cli/reporter/json.js';
import { createNoneReporter } from '../../../src/cli/reporter/none.js';
import { createPlainReporter } from '../../../src/cli/reporter/plain.js';
import { createTtyReporter } from '../../../src/cli/reporter/tty.js';
import { FetchError } from '../../../src/errors.js';
import type { EngineEvent } from '../../../src/events.js';

const IMAGE = 'docker://busybox';
const BLOB = `sha256:4986bf8c1536${'0'.repeat(52)}`;

const started: EngineEvent = { event: 'image.started', image: IMAGE, source: IMAGE };
const warning: EngineEvent = {
  event: 'image.warning',
  image: IMAGE,
  warning: 'unverified',
  message: 'image signature verification has been disabled',
};
const blobStarted = (readBytes: () => number): EngineEvent => ({
  event: 'blob.started',
  image: IMAGE,
  blob: BLOB,
  kind: 'layer',
  sizeBytes: 2_000_000,
  resumedBytes: 0,
  readBytes,
});
const retry: EngineEvent = {
  event: 'blob.retry',
  image: IMAGE,
  blob: BLOB,
  attempt: 1,
  delayMs: 2000,
  reason: 'connection reset',
};
const done: EngineEvent = {
  event: 'blob.done',
  image: IMAGE,
  blob: BLOB,
  kind: 'layer',
  sizeBytes: 2_000_000,
  downloadedBytes: 2_000_000,
  durationMs: 25_000,
};

function stream(size: { columns?: number; rows?: number } = {}) {
  const sink = Object.assign(new PassThrough({ encoding: 'utf8' }), size);
  return { sink, text: () => String(sink.read() ?? '') };
}

describe('the reporter of a batch', () => {
  const layer = (at: number, readBytes = () => 0): EngineEvent[] => {
    const [image, blob] = [`docker://i${at}`, `sha256:${String(at).repeat(64)}`];
    const blobs = [{ blob, sizeBytes: 1_000_000 }];
    return [
      { event: 'image.started', image, source: image },
      { ...warning, image } as EngineEvent,
      { event: 'image.resolved', image, blobs },
      { event: 'blob.started', image, blob, kind: 'layer', sizeBytes: 1_000_000, resumedBytes: 0, readBytes },
    ];
  };

  test('tells now and then how far all are, and of nothing twice', async () => {
    const { sink, text } = stream();
    let nowMs = 0;
    const reporter = createBatchReporter({ stream: sink, images: 4, now: () => nowMs, intervalMs: 5 });
    for (const event of [...layer(1, () => 500_000), ...layer(2)]) reporter.onEvent(event);
    await sleep(20);
    nowMs = 1000;
    await sleep(20);
    reporter.close();
    expect(text().split('\n')).toEqual([
      'aci: warning: image signature verification has been disabled',
      'aci: 0 of 4 images: 500 KB of about 4 MB',
      '',
    ]);
  });

  test('tells of retries and errors at once', () => {
    const { sink, text } = stream();
    const reporter = createBatchReporter({ stream: sink, images: 2 });
    reporter.onEvent(retry);
    reporter.error('aci: it failed');
    reporter.close();
    expect(text()).toMatch(/^aci: connection reset; retry 1 of 4986bf8c1536 in 2s .*\naci: it failed\n$/);
  });

  test('says instead what the command says of the whole', async () => {
    const { sink, text } = stream();
    const reporter = createBatchReporter({ stream: sink, images: 2, intervalMs: 5 });
    for (const count of [0, 1]) {
      reporter.status?.(`${count} of 2 images looked at`);
      await sleep(30);
    }
    reporter.close();
    expect(text()).toBe('aci: 0 of 2 images looked at\naci: 1 of 2 images looked at\n');
    const terminal = stream({ columns: 20, rows: 24 });
    const bars = createTtyReporter({ stream: terminal.sink, several: true, batch: 2 });
    bars.error('aci: no');
    bars.status?.('0 of 2 images looked at');
    bars.status?.('1 of 2 images looked at');
    const shown = terminal.text();
    expect(screen(shown)).toEqual(['aci: no', '1 of 2 images look…', '']);
    bars.close();
    expect(screen(shown + terminal.text())).toEqual(['aci: no', '']);
  });

  test('on a terminal is a bar for the whole above those of the downloads', () => {
    const { sink, text } = stream({ columns: 100, rows: 24 });
    const reporter = createTtyReporter({ stream: sink, several: true, batch: 3, now: () => 0 });
    for (const event of layer(1, () => 250_000)) reporter.onEvent(event);
    reporter.close();
    const shown = text();
    expect(shown).toMatch(/0 of 3 images \[=+> *\] 250 KB\/3 MB/);
    expect(shown).toMatch(/Downloading layer: 111111111111 \(i1\)/);
  });
});

describe('the plain reporter', () => {
  test('writes the lines of rkt and repeats none', () => {
    const { sink, text } = stream();
    const reporter = createPlainReporter({ stream: sink, several: false });
    for (const event of [started, warning, warning, blobStarted(() => 0), retry, done])
      reporter.onEvent(event);
    reporter.close();
    expect(text()).toBe(
      [
        'aci: fetching image from docker://busybox',
        'aci: warning: image signature verification has been disabled',
        `Downloading layer: 4986bf8c1536${'0'.repeat(52)}`,
        'aci: connection reset; retry 1 of 4986bf8c1536 in 2s',
        '',
      ].join('\n'),
    );
  });

  test('names the image when there are several', () => {
    const { sink, text } = stream();
    const reporter = createPlainReporter({ stream: sink, several: true });
    for (const event of [started, warning, blobStarted(() => 0)]) reporter.onEvent(event);
    reporter.close();
    const [first, ...others] = text().trimEnd().split('\n');
    expect(first).toBe('aci: fetching image from docker://busybox');
    expect(others.every((line) => line.endsWith(' (docker://busybox)'))).toBe(true);
  });

  test('tells of a long download every ten seconds, and of its end', async () => {
    const { sink, text } = stream();
    let nowMs = 0;
    const reporter = createPlainReporter({ stream: sink, several: false, now: () => nowMs, tickMs: 1 });
    reporter.onEvent(blobStarted(() => 500_000));
    text();
    nowMs = 9999;
    await sleep(20);
    expect(text()).toBe('');
    nowMs = 12_000;
    await sleep(20);
    expect(text()).toBe('Downloading layer 4986bf8c1536: 500 KB/2 MB (25%) after 12s\n');
    nowMs = 25_000;
    reporter.onEvent(done);
    reporter.close();
    expect(text()).toBe('Downloaded layer 4986bf8c1536: 2 MB in 25s\n');
  });
});

describe('the reporter without progress', () => {
  test.each([
    [false, 'aci: fetching image from docker://busybox\naci: no\n'],
    [true, 'aci: no\n'],
  ])('with quiet %s writes %j', (quiet, expected) => {
    const { sink, text } = stream();
    const reporter = createNoneReporter({ stream: sink, several: false, quiet });
    for (const event of [started, blobStarted(() => 0), done]) reporter.onEvent(event);
    reporter.error('aci: no');
    reporter.close();
    expect(text()).toBe(expected);
  });
});

describe('the JSON reporter', () => {
  const records = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));

  test('writes one object a line with time, event, image and blob, and no functions', () => {
    const { sink, text } = stream();
    const reporter = createJsonReporter({ stream: sink, several: false });
    for (const event of [started, blobStarted(() => 0), done]) reporter.onEvent(event);
    reporter.error('aci: no\nhint: x');
    reporter.close();
    const [first, second, third, last] = records(text());
    expect(first).toEqual({ time: first?.['time'], event: 'image.started', image: IMAGE, source: IMAGE });
    expect(new Date(String(first?.['time'])).toISOString()).toBe(first?.['time']);
    expect(Object.keys(second ?? {})).toEqual([
      'time',
      'event',
      'image',
      'blob',
      'kind',
      'sizeBytes',
      'resumedBytes',
    ]);
    expect(third).toMatchObject({ event: 'blob.done', blob: BLOB });
    expect(last).toMatchObject({ event: 'error', message: 'aci: no\nhint: x' });
  });

  test('samples the bytes of a download while they change', async () => {
    const { sink, text } = stream();
    let bytes = 0;
    const reporter = createJsonReporter({ stream: sink, several: false, sampleMs: 5 });
    reporter.onEvent(blobStarted(() => bytes));
    await sleep(30);
    bytes = 700;
    await sleep(60);
    reporter.onEvent(done);
    bytes = 800;
    await sleep(30);
    reporter.close();
    const samples = records(text()).filter(({ event }) => event === 'blob.progress');
    expect(samples).toEqual([
      expect.objectContaining({ image: IMAGE, blob: BLOB, bytes: 700, sizeBytes: 2_000_000 }),
    ]);
  });

  test('says of each record whose it is', async () => {
    const { sink, text } = stream();
    const reporter = createJsonReporter({ stream: sink, several: true, sampleMs: 5 });
    const asked = { platform: { os: 'linux', architecture: 'arm', variant: 'v7' }, signature: 'x.asc' };
    const dependencyOf = 'https://u:pw@h/x.aci';
    reporter.onEvent({ ...blobStarted(() => 5), ...asked, dependencyOf } as EngineEvent);
    await sleep(30);
    reporter.close();
    const written = records(text());
    const whose = { image: IMAGE, platform: 'linux/arm/v7', signature: 'x.asc' };
    expect(written.map(({ event }) => event)).toEqual(['blob.started', 'blob.progress']);
    for (const record of written)
      expect(record).toMatchObject({ ...whose, dependencyOf: 'https://REDACTED@h/x.aci' });
  });

  test('has results in the form of fetch --json, and no secrets', () => {
    const { sink, text } = stream();
    const reporter = createJsonReporter({ stream: sink, several: false });
    const image = 'https://u:pw@h/x.aci?sig=1';
    const cause = new FetchError('ERR_AUTH', 'refused', { stage: 'download' });
    const error = { code: cause.code, stage: cause.stage, message: cause.message };
    const result = { image, status: 'failed', downloadedBytes: 0, durationMs: 1, error, cause } as const;
    reporter.onEvent({ event: 'image.failed', image, result });
    reporter.close();
    const written = text();
    expect(records(written)[0]?.['result']).toMatchObject({ status: 'failed', error: { code: 'ERR_AUTH' } });
    expect(written).not.toMatch(/pw|sig=1|"cause"/);
  });
});

/** What a terminal shows after `text`: understands cursor up, erase below, carriage return and newline. */
function screen(text: string): string[] {
  const lines = [''];
  let row = 0;
  for (const [, up, erase, newline, plain] of text.matchAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is tested
    /\u001b\[(\d+)A|(\u001b\[J)|(\n)|([^\u001b\n\r]+)|\r|\u001b\[\?25[lh]/g,
  )) {
    if (up !== undefined) row -= Number(up);
    else if (erase !== undefined) lines.splice(row, lines.length, '');
    else if (newline !== undefined) lines[++row] ??= '';
    else if (plain !== undefined) lines[row] += plain;
  }
  return lines;
}

describe('the terminal reporter', () => {
  test('keeps lines above the bars, leaves the last state of each, and restores the cursor', async () => {
    const { sink, text } = stream({ columns: 81, rows: 24 });
    let nowMs = 0;
    let bytes = 0;
    const reporter = createTtyReporter({ stream: sink, several: false, now: () => nowMs, redrawMs: 5 });
    reporter.onEvent(started);
    reporter.onEvent(blobStarted(() => bytes));
    nowMs = 1000;
    bytes = 1_000_000;
    await sleep(40);
    reporter.error('aci: something');
    let written = text();
    expect(screen(written)).toEqual([
      'aci: fetching image from docker://busybox',
      'aci: something',
      expect.stringMatching(/^Downloading layer: 4986bf8c1536 \[=+> +\] 1 MB\/2 MB 1 MB\/s 1s$/),
      '',
    ]);
    reporter.aside(() => sink.write('sha512-1\n'));
    reporter.onEvent(done);
    reporter.close();
    written += text();
    expect(screen(written)).toEqual([
      'aci: fetching image from docker://busybox',
      'aci: something',
      'sha512-1',
      expect.stringMatching(/^Downloading layer: 4986bf8c1536 \[=+\] 2 MB\/2 MB$/),
      '',
    ]);
    expect(written.lastIndexOf('\u001b[?25h')).toBeGreaterThan(written.lastIndexOf('\u001b[?25l'));
  });

  test('shows how a download failed, and clears what is under way when closed', () => {
    const { sink, text } = stream({ columns: 100, rows: 24 });
    const reporter = createTtyReporter({ stream: sink, several: true });
    reporter.onEvent(blobStarted(() => 0));
    reporter.onEvent({ event: 'blob.failed', image: IMAGE, blob: BLOB, kind: 'layer' });
    reporter.onEvent(blobStarted(() => 0));
    reporter.close();
    const written = text();
    expect(screen(written)).toEqual([
      expect.stringMatching(/^Downloading layer: 4986bf8c1536 \(busybox\) \[> +\] 0 B\/2 MB failed$/),
      '',
    ]);
    expect(written.endsWith('\u001b[?25h')).toBe(true);
  });
});

test.each([
  ['auto', false, true, {}, 'tty'],
  ['auto', false, false, {}, 'plain'],
  ['auto', false, true, { TERM: 'dumb' }, 'plain'],
  ['auto', false, true, { CI: 'true' }, 'plain'],
  ['auto', false, true, { CI: 'false' }, 'tty'],
  ['tty', false, false, { CI: '1' }, 'tty'],
  ['json', false, true, {}, 'json'],
  ['none', false, true, {}, 'none'],
  ['json', true, true, {}, 'none'],
] as const)(
  '--progress=%s, quiet %s, terminal %s, %j: %s',
  (progress, quiet, isTerminal, variables, kind) => {
    expect(reporterKind({ progress, quiet }, { isTerminal, variables })).toBe(kind);
  },
);
