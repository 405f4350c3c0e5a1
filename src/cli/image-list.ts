/** The listing of `aci image list`: sorting, columns, JSON. */

import type { StoredImage } from '../index.js';
import { formatAge, formatSize, tabTable } from './format.js';
import type { IMAGE_LIST_FIELDS } from './specs.js';
import { printable, redact } from './text.js';

export type ListField = (typeof IMAGE_LIST_FIELDS)[number];

export interface ListOptions {
  readonly fields: readonly ListField[];
  /** The first field decides first. */
  readonly sort: readonly ListField[];
  readonly order: 'asc' | 'desc';
  /** Whole IDs, ISO 8601 times, sizes in bytes. */
  readonly full: boolean;
  readonly legend: boolean;
}

interface Field {
  readonly heading: string;
  readonly cell: (image: StoredImage, full: boolean, now: Date) => string;
  readonly sortKey: (image: StoredImage) => string | number;
}

/** rkt's listing shows `sha512-` and twelve digits: what is enough to name an image. */
const LISTED_ID_LENGTH = 'sha512-'.length + 12;

const FIELDS: Readonly<Record<ListField, Field>> = {
  id: {
    heading: 'ID',
    cell: ({ id }, full) => (full ? id : id.slice(0, LISTED_ID_LENGTH)),
    sortKey: ({ id }) => id,
  },
  name: { heading: 'NAME', cell: listedName, sortKey: listedName },
  importtime: {
    heading: 'IMPORT TIME',
    cell: ({ importedAt }, full, now) => (full ? importedAt.toISOString() : formatAge(importedAt, now)),
    sortKey: ({ importedAt }) => importedAt.getTime(),
  },
  lastused: {
    heading: 'LAST USED',
    cell: ({ lastUsedAt }, full, now) => (full ? lastUsedAt.toISOString() : formatAge(lastUsedAt, now)),
    sortKey: ({ lastUsedAt }) => lastUsedAt.getTime(),
  },
  size: {
    heading: 'SIZE',
    cell: ({ sizeBytes }, full) => (full ? String(sizeBytes) : formatSize(sizeBytes)),
    sortKey: ({ sizeBytes }) => sizeBytes,
  },
  latest: {
    heading: 'LATEST',
    cell: ({ latest }) => String(latest),
    sortKey: ({ latest }) => Number(latest),
  },
  verified: {
    heading: 'VERIFIED',
    cell: ({ verified }) => String(verified),
    sortKey: ({ verified }) => Number(verified),
  },
};

/** `NAME:VERSION`, as rkt has it. */
function listedName({ name, labels }: StoredImage): string {
  const version = labels['version'];
  return printable(version === undefined ? name : `${name}:${version}`);
}

/** Sorted by the fields given; images that are equal in them keep their order. */
export function sortImages(
  images: readonly StoredImage[],
  { sort, order }: Pick<ListOptions, 'sort' | 'order'>,
): StoredImage[] {
  const sign = order === 'asc' ? 1 : -1;
  return images.toSorted((one, other) => {
    for (const field of sort) {
      const difference = compare(FIELDS[field].sortKey(one), FIELDS[field].sortKey(other));
      if (difference !== 0) return sign * difference;
    }
    return 0;
  });
}

function compare(one: string | number, other: string | number): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** The table of images, every line with its newline; empty without images and legend. */
export function renderImageTable(images: readonly StoredImage[], options: ListOptions, now: Date): string {
  const columns = options.fields.map((field) => FIELDS[field]);
  const legend = options.legend ? [columns.map(({ heading }) => heading)] : [];
  const rows = sortImages(images, options).map((image) =>
    columns.map(({ cell }) => cell(image, options.full, now)),
  );
  return tabTable([...legend, ...rows]);
}

/** An image of `image list --json`; the fields stand in the order of the specification. */
export function imageRecord(image: StoredImage): Readonly<Record<string, unknown>> {
  return {
    id: image.id,
    name: image.name,
    labels: image.labels,
    importedAt: image.importedAt.toISOString(),
    lastUsedAt: image.lastUsedAt.toISOString(),
    sizeBytes: image.sizeBytes,
    latest: image.latest,
    verified: image.verified,
    source: redact(image.source),
  };
}
