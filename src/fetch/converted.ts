/** What the store has of a Docker or OCI image, and whether its source is asked: the same for a fetch and for its plan. */

import { aciNameOf } from '../convert/appc-names.js';
import { versionOf } from '../convert/docker-config.js';
import { FetchError } from '../errors.js';
import { formatPlatform } from '../reference/platform.js';
import type { ResolvedImage } from '../registry/source.js';
import type { ImageRecord, RemoteRecord } from '../store/records.js';
import type { ImageFacts, Store } from '../store/store.js';
import type { ImageNaming, Platform, PullPolicy } from '../types.js';
import type { CompleteRequest } from './session.js';

/** What the source was the last time. */
export interface Converted {
  readonly remote?: RemoteRecord | undefined;
  readonly known?: ImageFacts | undefined;
}

/** `key`: what the source's last answer is remembered under. */
export async function readConverted(
  store: Store,
  key: string,
  { noStore }: CompleteRequest,
): Promise<Converted> {
  const remote = noStore ? undefined : await store.readRemote(key);
  return remote === undefined ? {} : { remote, known: await store.readWholeImage(remote.id) };
}

export interface ConvertedFacts {
  /** The argument. */
  readonly image: string;
  readonly platform: Platform;
  /** The store has it. */
  readonly isKnown: boolean;
  readonly pullPolicy: PullPolicy;
  readonly requireSignature: boolean;
  /** Signatures are not to be checked. */
  readonly insecureImage: boolean;
}

/**
 * Pure: whether the store answers without its source.
 * @throws FetchError ERR_SIGNATURE_REQUIRED, ERR_NOT_IN_STORE: what is refused before anybody is asked
 */
export function storeAnswers(facts: ConvertedFacts): boolean {
  const { image, platform, isKnown, pullPolicy, requireSignature, insecureImage } = facts;
  if (requireSignature) throw unsigned('docker images have no signature that could be verified');
  if (isKnown && pullPolicy !== 'update') return true;
  if (pullPolicy === 'never') {
    // It may be there for another one.
    const problem = `not in the store for ${formatPlatform(platform)}`;
    throw new FetchError('ERR_NOT_IN_STORE', `${image}: ${problem}`, { stage: 'store' });
  }
  if (insecureImage) return false;
  throw unsigned('signature verification for docker images is not supported (try --insecure-options=image)');
}

/** The image of the store, if it is what the source has now. */
export function unchangedImage(
  { remote, known }: Converted,
  { digest }: ResolvedImage,
  naming: ImageNaming,
): ImageFacts | undefined {
  const isSame = remote?.manifestDigest === digest && remote.originalName === naming.originalName;
  return isSame && known !== undefined && isNamed(known, naming) ? known : undefined;
}

/** Whether the image is called so: an archive may get another name without getting another image. */
function isNamed({ name, labels }: ImageRecord, naming: ImageNaming): boolean {
  return name === aciNameOf(naming) && labels['version'] === versionOf(naming);
}

function unsigned(message: string): FetchError {
  return new FetchError('ERR_SIGNATURE_REQUIRED', message, { stage: 'verify' });
}
