/** Events as lines, in the words of rkt. */

import type { BlobKind, EngineEvent } from '../../index.js';
import { formatDuration } from '../format.js';
import { printable } from '../text.js';

/** Hex digits of a digest where a whole one would be too long. */
const SHORT_DIGEST = 12;

/** The blob's digest without its algorithm, or the URL of an ACI. */
export function blobName(blob: string): string {
  return printable(blob.replace(/^sha(256|512):/, ''));
}

export function shortBlobName(blob: string): string {
  if (/^sha(256|512):/.test(blob)) return blobName(blob).slice(0, SHORT_DIGEST);
  return blobName(blob).split('/').at(-1) ?? '';
}

/** ` (IMAGE)` where several images are under way. */
export function imageSuffix(image: string, several: boolean): string {
  return several ? ` (${printable(image)})` : '';
}

/** `Downloading layer: 4986bf8c1536…`, or for an ACI its URL. */
export function downloadLine(kind: BlobKind, blob: string, image: string, several: boolean): string {
  return `Downloading ${kind}: ${blobName(blob)}${imageSuffix(image, several)}`;
}

/** `batch`: so many that not each deserves a line for what is as it should be. */
export type Crowd = 'one' | 'several' | 'batch';

export function crowdOf(several: boolean, batch: number | undefined): Crowd {
  if (batch !== undefined) return 'batch';
  return several ? 'several' : 'one';
}

/**
 * A function from an event to the informational line (or lines) it deserves on any reporter, if any; a line that was
 * there before is not given again.
 */
export function informationalLines(crowd: Crowd): (event: EngineEvent) => string | undefined {
  const seen = new Set<string>();
  return (event) => {
    const line = crowd === 'batch' ? batchLine(event) : informationalLine(event, crowd === 'several');
    // A host may be held again, for as long.
    if (line === undefined || (seen.has(line) && event.event !== 'host.held')) return undefined;
    seen.add(line);
    return line;
  };
}

function batchLine(event: EngineEvent): string | undefined {
  switch (event.event) {
    case 'image.searching':
    case 'image.started':
    case 'signature.fetched':
    case 'signature.verified':
      return undefined;
    case 'image.warning':
      // The same for all of them.
      return informationalLine(event, event.warning !== 'unverified');
    default:
      return informationalLine(event, true);
  }
}

function informationalLine(event: EngineEvent, several: boolean): string | undefined {
  switch (event.event) {
    case 'image.searching':
      return `aci: searching for app image ${printable(event.image)}`;
    case 'signature.fetched':
      return `Downloading signature from ${printable(event.source)}${imageSuffix(event.image, several)}`;
    case 'signature.verified': {
      const signers = event.signers.map((signer) => `\n  ${printable(signer)}`);
      return `aci: signature verified${imageSuffix(event.image, several)}:${signers.join('')}`;
    }
    case 'key.trusted': {
      const { fingerprint, prefix, image } = event;
      return `aci: the key ${fingerprint} is trusted for ${prefix} now${imageSuffix(image, several)}`;
    }
    case 'image.started':
      return `aci: fetching image from ${printable(event.source)}`;
    case 'image.warning':
      return `aci: warning: ${printable(event.message)}${imageSuffix(event.image, several)}`;
    case 'host.held': {
      const why = event.isUnreachable ? 'could not be reached' : 'has asked for it';
      return `aci: ${printable(event.host)} is left alone for ${formatDuration(event.delayMs)}: it ${why}`;
    }
    case 'image.retry':
    case 'blob.retry': {
      const reason = printable(event.reason);
      const wait = formatDuration(event.delayMs);
      const what = event.event === 'blob.retry' ? ` of ${shortBlobName(event.blob)}` : '';
      return `aci: ${reason}; retry ${event.attempt}${what} in ${wait}${imageSuffix(event.image, several)}`;
    }
    default:
      return undefined;
  }
}

/** Tells the blobs under way apart; two images may download a blob of one digest at once. */
export function blobKey(event: { readonly image: string; readonly blob: string }): string {
  return `${event.image}\n${event.blob}`;
}
