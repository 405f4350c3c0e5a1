/** Downloads an ACI and reads it while it arrives, in two tasks. */

import { toFetchError } from '../errors.js';
import type { CacheHeaders } from '../http/freshness.js';
import { removePartial } from '../store/files.js';
import { keepPartialHash, readPartialHash } from '../store/partial-record.js';
import type {
  DownloadAciInput,
  DownloadAciOutput,
  ReadAciInput,
  ReadAciOutput,
  TaskNote,
} from '../tasks/contract.js';
import { blobCounters, newBlobCounters } from '../tasks/counters.js';
import { takeConnections } from './connections.js';
import { FETCH_TASK_BYTES, type Session } from './session.js';

export type RemoteAci = Omit<DownloadAciInput, 'counters'>;

export type AciOutput =
  | Extract<DownloadAciOutput, { status: 'unchanged' }>
  | (ReadAciOutput & {
      readonly status: 'fetched';
      readonly downloadedBytes: number;
      /** Empty for a file. */
      readonly headers: CacheHeaders;
      readonly isAuthenticated: boolean;
    });

export type OnNote = (note: TaskNote) => void;

/** In two tasks, so that one thread receives and decrypts while another one inflates and hashes. */
export async function downloadAndRead(
  session: Session,
  source: RemoteAci,
  task: Omit<ReadAciInput, 'source'>,
  signal: AbortSignal,
  onNote: OnNote,
): Promise<AciOutput> {
  const { runner, permits } = session;
  const { partialFile, request } = source;
  const counters = blobCounters(task.counters);
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  let [resumedBytes, resumedPrefixBytes] = [0, 0];
  let reading: Promise<ReadAciOutput> | undefined;
  let readError: unknown;
  let hashed: Extract<TaskNote, { note: 'hashed' }> | undefined;
  const hashedBefore = await readPartialHash(partialFile);
  const { host } = new URL(request.url);
  const connections = await takeConnections(permits, { host, memoryBytes: FETCH_TASK_BYTES }, signal);

  /** Not before the download runs: on a busy thread it would wait for what is behind it. */
  function read(): Promise<ReadAciOutput> {
    const growing = { kind: 'growing', path: partialFile } as const;
    // What was hashed and is not on the disk any more comes again, and may come as something else.
    const isThere = resumedPrefixBytes >= (hashedBefore?.wireBytes ?? 0);
    const input = { ...task, source: growing, hashed: isThere ? hashedBefore : undefined };
    const keepHash: OnNote = (note) => {
      if (note.note === 'hashed') hashed = note;
    };
    const running = runner.run('readAci', input, { signal: either, onNote: keepHash });
    running.catch((error: unknown) => {
      readError ??= error;
      stopping.abort();
    });
    return running;
  }

  try {
    const downloaded = await runner.run(
      'downloadAci',
      { ...source, counters: task.counters },
      {
        signal: either,
        onNote(note) {
          if (note.note === 'connection') return connections.onNote(note, counters);
          if (note.note === 'opened') {
            if (reading === undefined) {
              [resumedBytes, resumedPrefixBytes] = [note.resumedBytes, note.prefixBytes ?? 0];
            }
            reading ??= read();
          }
          onNote(note);
        },
      },
    );
    connections.endExtras();
    if (downloaded.status === 'unchanged') return downloaded;
    if (reading === undefined) throw new Error('a download that was never opened');
    const facts = await reading;
    await removePartial(partialFile);
    return { ...facts, ...downloaded, status: 'fetched' };
  } catch (error) {
    // Whoever waits for the other one ends too; the first failure is the one that counts.
    const failure = signal.aborted ? error : (readError ?? error);
    counters.setState('failed');
    stopping.abort();
    await reading?.catch(() => undefined);
    if (toFetchError(failure).exitCode !== 7) {
      // The download may have begun again with other content since.
      if (hashed?.generation === counters.generation()) await keepPartialHash(partialFile, hashed.hashed);
      throw failure;
    }
    // Malformed content does not get better. What an earlier run left of it may have been damaged since.
    await removePartial(partialFile);
    if (resumedBytes === 0 || signal.aborted) throw failure;
    connections.end();
    return downloadAndRead(session, source, { ...task, counters: newBlobCounters().memory }, signal, onNote);
  } finally {
    connections.end();
  }
}
