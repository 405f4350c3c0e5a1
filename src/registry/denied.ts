/** What a person is told when a registry denies access. */

import { FetchError } from '../errors.js';

export interface DeniedFacts {
  /** What was asked for. */
  readonly what: string;
  readonly registry: string;
  /** The registry was asked over plain HTTP. */
  readonly isPlain: boolean;
  /** Where the credentials come from that were shown; undefined for none. */
  readonly source: string | undefined;
  /** The registry knows who asks, and does not permit it. */
  readonly isPermission: boolean;
}

/** ERR_AUTH. Registries answer alike for what does not exist and for what may not be seen. */
export function denied(facts: DeniedFacts, cause?: FetchError): FetchError {
  const message = `${facts.what}: denied: ${deniedReason(facts)}`;
  return new FetchError('ERR_AUTH', message, { stage: 'resolve', hint: deniedHint(facts), cause });
}

function deniedReason({ source, isPermission }: DeniedFacts): string {
  if (source === undefined) return 'the image does not exist or needs credentials';
  if (isPermission) return 'the image does not exist or the credentials do not permit it';
  return 'the registry refuses the credentials';
}

export function deniedHint({ registry, isPlain, source }: DeniedFacts): string {
  if (isPlain) return `${registry} is asked over plain HTTP, over which credentials are never sent`;
  if (source !== undefined) return `the credentials for ${registry} come from ${source}`;
  return `credentials for ${registry} go into auth.d of a configuration folder, in a file of kind dockerAuth`;
}
