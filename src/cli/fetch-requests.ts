/** From the options of the commands that fetch to requests. */

import {
  type FetchRequest,
  type ListedImage,
  type OptionValues,
  type PullPolicy,
  parsePlatform,
} from '../index.js';
import type { FETCH } from './fetch-specs.js';
import { usageError } from './render-error.js';

type FetchValues = Pick<
  OptionValues<typeof FETCH.options>,
  'pullPolicy' | 'storeOnly' | 'noStore' | 'requireSignature' | 'platform' | 'noDeps' | 'output'
>;

/**
 * One request for each image; what an image says of itself goes before the options. `command`: for hints. Throws
 * ERR_USAGE for options that do not go together.
 */
export function fetchRequests(
  images: readonly ListedImage[],
  values: FetchValues,
  command: string,
): FetchRequest[] {
  const hint = `try: aci help ${command}`;
  if (images.length === 0) throw usageError(`${command} needs an image`, hint);
  if (values.output !== undefined && images.length > 1)
    throw usageError('--output takes one image only', hint);
  const pullPolicy = pullPolicyOf(values, hint);
  const everywhere = values.platform === undefined ? undefined : parsePlatform(values.platform);
  const { noStore, output, requireSignature, noDeps: noDependencies } = values;
  const shared = { pullPolicy, noStore, output, requireSignature, noDependencies };
  return images.map(({ image, signature, platform = everywhere }) => ({
    image,
    signature,
    platform,
    ...shared,
  }));
}

function pullPolicyOf({ pullPolicy, storeOnly, noStore }: FetchValues, hint: string): PullPolicy {
  if (storeOnly && pullPolicy !== undefined && pullPolicy !== 'never') {
    throw usageError(`--store-only and --pull-policy=${pullPolicy} exclude each other`, hint);
  }
  const policy = storeOnly ? 'never' : (pullPolicy ?? 'update');
  if (noStore && policy === 'never') {
    const other = storeOnly ? '--store-only' : '--pull-policy=never';
    throw usageError(`--no-store and ${other} exclude each other`, hint);
  }
  return policy;
}
