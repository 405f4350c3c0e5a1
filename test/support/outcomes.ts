/** What became of an image, for tests that only look at some of it. */

import type { FetchedImage, ImageId } from '../../src/types.js';

export const FETCHED: FetchedImage = {
  image: 'a.test/x',
  status: 'fetched',
  id: 'sha512-0' as ImageId,
  name: 'a.test/x',
  labels: {},
  verified: false,
  signers: [],
  sizeBytes: 1,
  downloadedBytes: 7,
  durationMs: 1,
  dependencies: [],
};
