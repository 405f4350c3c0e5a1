/** What an image on disk is, whatever the form of its layout. */

import { FetchError } from '../errors.js';
import type { ResolvedImage } from '../registry/source.js';
import type { Descriptor, FileRange, ImageNaming, Platform } from '../types.js';
import type { LayoutFiles } from './files.js';

export interface LayoutImage extends ResolvedImage {
  /** Read already: a layout is at hand. */
  readonly config: { readonly bytes: Buffer };
  readonly naming: ImageNaming;
}

export interface LayoutSource {
  resolve(platform: Platform, signal: AbortSignal): Promise<LayoutImage>;
  /** Where the bytes of a layer lie; for the layers of an image that was resolved. */
  fileOf(layer: Descriptor): FileRange;
  /** What the digests of layers are of: see `LocalLayer`. */
  readonly digestOf: 'blob' | 'content';
}

export interface OpenedLayout {
  readonly files: LayoutFiles;
  /** The argument, for messages. */
  readonly image: string;
  /** Of the folder or archive as the user named it. */
  readonly path: string;
  readonly ref: string | undefined;
}

/** Where a file of the layout lies. Throws ERR_NOT_FOUND. */
export async function locateIn({ files, image }: OpenedLayout, name: string): Promise<FileRange> {
  const file = await files.locate(name);
  if (file !== undefined) return file;
  throw new FetchError('ERR_NOT_FOUND', `${image}: ${JSON.stringify(name)} is not there`, {
    stage: 'resolve',
  });
}

/** ERR_USAGE when a layout has several images and none was named, ERR_NOT_FOUND when it has not the one named. */
export function noSuchImage({ image, ref }: OpenedLayout, names: readonly string[]): FetchError {
  const list = names.length === 0 ? 'none' : names.slice(0, MAX_LISTED).join(', ');
  const more = names.length > MAX_LISTED ? ', …' : '';
  if (ref === undefined) {
    return new FetchError('ERR_USAGE', `${image}: there are several images: ${list}${more}`, {
      stage: 'resolve',
      hint: `choose one: ${image}:REF, or by its place: ${image}:@0`,
    });
  }
  return new FetchError('ERR_NOT_FOUND', `${image}: no image of that name, only: ${list}${more}`, {
    stage: 'resolve',
  });
}

const MAX_LISTED = 20;

/** `@N`: the image at that place of the layout, from 0 (as skopeo has it). */
export function placeOf(ref: string | undefined): number | undefined {
  const digits = /^@([0-9]{1,9})$/.exec(ref ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
