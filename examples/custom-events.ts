/** Fetches images with an event sink of its own: `node dist/examples/custom-events.js STORE_DIR IMAGE…`. */

import { createEngine, type EngineEvent, type FetchOutcome } from '../src/index.js';

const [storeDir, ...images] = process.argv.slice(2);
if (storeDir === undefined || images.length === 0) {
  console.error('usage: node dist/examples/custom-events.js STORE_DIR IMAGE…');
  process.exit(2);
}

const SAMPLE_MS = 200;

/** How many bytes each running download has got, by image and blob. */
const downloads = new Map<string, () => number>();

/** Is called while the engine works, so it only takes notes and prints. */
function onEvent(event: EngineEvent): void {
  switch (event.event) {
    case 'blob.started':
      downloads.set(`${event.image} ${event.blob}`, event.readBytes);
      break;
    case 'blob.done':
    case 'blob.failed':
      downloads.delete(`${event.image} ${event.blob}`);
      break;
    case 'image.warning':
      console.error(`${event.image}: warning: ${event.message}`);
      break;
  }
  if (event.event === 'host.held') console.error(`${event.host} is left alone for ${event.delayMs} ms`);
  else console.error(`${event.event} ${'blob' in event ? event.blob : event.image}`);
}

function report(outcome: FetchOutcome): void {
  if (outcome.status === 'failed') console.log(`${outcome.image}: ${outcome.error.code}`);
  else console.log(`${outcome.image}: ${outcome.id}, ${outcome.downloadedBytes} bytes downloaded`);
}

// The counters are in shared memory: nothing is sent when they are read, so read them as often as you draw.
const sampling = setInterval(() => {
  for (const [download, readBytes] of downloads) console.error(`${download}: ${readBytes()} bytes`);
}, SAMPLE_MS);

const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());

const engine = await createEngine({ storeDir, insecure: { image: true }, onEvent });
try {
  const requests = images.map((image) => ({ image }));
  const outcomes = await engine.fetchAll(requests, { signal: interruption.signal, onOutcome: report });
  if (outcomes.some(({ status }) => status === 'failed')) process.exitCode = 1;
} finally {
  clearInterval(sampling);
  await engine.close();
}
