/** The detached signature of an ACI: from beside it, or from the file that the user named. */

import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, errnoOf, FetchError, storageError } from '../errors.js';
import { statusError } from '../http/errors.js';
import { readBounded } from '../http/limit.js';
import { redactUrl } from '../http/redact.js';
import { parseRetryAfter, withRetry } from '../http/retry.js';
import { SIGNATURE_MAX_BYTES } from '../trust/read-signature.js';
import { readLocalFile } from './local-file.js';
import type { Session } from './session.js';

export type SignaturePlace =
  | { readonly kind: 'url'; readonly url: string }
  /** `isOptional`: there need not be one, for nobody named it. */
  | { readonly kind: 'file'; readonly path: string; readonly isOptional: boolean };

/** `absent`: there is none. `deferred`: the server has it only after the image (HTTP 202). */
export type SignatureFile = { readonly bytes: Buffer } | 'absent' | 'deferred';

/** Of a server that has it not yet, this often and with these waits. */
const DEFERRED_TRIES = 10;
const DEFERRED_WAIT_MS = 1000;
const DEFERRED_MAX_WAIT_MS = 30_000;

/** @throws FetchError of the network, ERR_LIMIT, ERR_NOT_FOUND for a file that was named, ERR_PERMISSION, ERR_IO */
export async function readSignatureFile(
  session: Session,
  place: SignaturePlace,
  signal: AbortSignal,
): Promise<SignatureFile> {
  if (place.kind === 'file') return readSignatureAt(place, signal);
  const answer = await request(session, place.url, signal);
  return 'waitMs' in answer ? 'deferred' : answer.file;
}

/** After the image: asks until the server has it. A server that never has it has none. */
export async function readDeferredSignature(
  session: Session,
  url: string,
  signal: AbortSignal,
): Promise<Exclude<SignatureFile, 'deferred'>> {
  for (let attempt = 1; ; attempt++) {
    const answer = await request(session, url, signal);
    if ('file' in answer) return answer.file;
    if (attempt === DEFERRED_TRIES) return 'absent';
    await sleep(Math.min(answer.waitMs, DEFERRED_MAX_WAIT_MS), undefined, { signal }).catch(() => {
      throw abortedError(signal.reason);
    });
  }
}

type Answer = { readonly file: Exclude<SignatureFile, 'deferred'> } | { readonly waitMs: number };

/** Servers that list no folders answer 403 for what is not there; to have no access is to have no signature. */
const ABSENT = new Set([401, 403, 404, 410]);

function request(session: Session, url: string, signal: AbortSignal): Promise<Answer> {
  const what = redactUrl(url);
  return withRetry(
    async () => {
      const credential = session.credentials?.forUrl(url)?.credential;
      const response = await session.http.request(url, { credential, stage: 'download' }, signal);
      const { status, headers } = response;
      if (status === 200) {
        const bytes = await readBounded(response.body, SIGNATURE_MAX_BYTES, what, 'download');
        return { file: { bytes } };
      }
      await response.discard();
      if (status === 202) {
        return { waitMs: parseRetryAfter(headers['retry-after'], Date.now()) ?? DEFERRED_WAIT_MS };
      }
      if (ABSENT.has(status)) return { file: 'absent' };
      throw statusError(response, what, 'download');
    },
    { signal, retries: session.retries },
  );
}

/** @throws FetchError ERR_NOT_FOUND, ERR_LIMIT, ERR_PERMISSION, ERR_IO, ERR_ABORTED */
export async function readSignatureAt(
  { path, isOptional }: { readonly path: string; readonly isOptional: boolean },
  signal: AbortSignal,
): Promise<SignatureFile> {
  try {
    const file = { path, maxBytes: SIGNATURE_MAX_BYTES, stage: 'resolve', isPlain: isOptional } as const;
    return { bytes: await readLocalFile(file, signal) };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, `cannot read ${path}`, 'resolve');
    if (isOptional) return 'absent';
    throw new FetchError('ERR_NOT_FOUND', `${path}: no such file`, { stage: 'resolve', cause: error });
  }
}

/** Pure: where the signature of an ACI at a URL is (as rkt has it: `x.aci` and `x` both have `x.aci.asc`). */
export function signatureUrlOf(url: string): string {
  const parsed = new URL(url);
  parsed.pathname = `${parsed.pathname.replace(/\.aci$/, '')}.aci.asc`;
  return parsed.href;
}
