/** Keys that meta discovery finds, trusted without a question because the user said so. */

import { isFetchError } from '../errors.js';
import { addKey, disabledFor } from '../trust/keystore.js';
import { discoverPublicKeys } from './public-keys.js';
import type { Session } from './session.js';

/**
 * With `--trust-keys-from-https`, for a name that no key is trusted for. Only what came over HTTPS all the way is
 * trusted, and no key that an empty file of the keystore disables for this name; a name without keys gets none.
 * @throws FetchError those of discovery but ERR_NOT_FOUND, ERR_KEY_INVALID, those of exit code 8
 */
export async function trustDiscoveredKeys(
  { http, insecure, retries, configDirs, trustDir, emit }: Session,
  { image, name }: { readonly image: string; readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  if (trustDir === undefined) return;
  const access = { http, insecureHttp: insecure.http && insecure.pubkey, retries };
  const found = await discoverPublicKeys(access, name, signal).catch((error: unknown) => {
    if (isFetchError(error) && error.code === 'ERR_NOT_FOUND') return [];
    throw error;
  });
  const disabled = await disabledFor(name, configDirs);
  for (const { key, isAuthenticated } of found) {
    if (!isAuthenticated || key.problem !== undefined || disabled.has(key.fingerprint)) continue;
    await addKey(key, name, trustDir);
    emit({ event: 'key.trusted', image, prefix: name, fingerprint: key.fingerprint });
  }
}
