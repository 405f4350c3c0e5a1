/** Choosing from an index. */

import { expect, it } from 'vitest';
import { formatPlatform, parsePlatform } from '../../../src/reference/platform.js';
import { hostPlatform, selectPlatform } from '../../../src/registry/platform.js';
import type { Descriptor } from '../../../src/types.js';
import { descriptorOf } from './images.js';

const entry = (platform: string | undefined, annotations?: Record<string, string>): Descriptor => ({
  ...descriptorOf('application/vnd.oci.image.manifest.v1+json', JSON.stringify([platform, annotations])),
  ...(platform !== undefined && { platform: parsePlatform(platform) }),
  ...(annotations !== undefined && { annotations }),
});

// wanted, what there is, which of them
it.each([
  ['linux/amd64', 'linux/arm64 linux/amd64', 1],
  ['linux/amd64', 'windows/amd64 linux/amd64', 1],
  ['linux/amd64', 'linux/amd64/v3 linux/amd64/v2 linux/amd64', 2],
  ['linux/amd64', 'linux/amd64/v2 linux/amd64/v1', 1],
  ['linux/amd64/v1', 'linux/amd64', 0],
  ['linux/amd64/v3', 'linux/amd64 linux/amd64/v3', 1],
  ['linux/arm64', 'linux/arm64/v8', 0],
  ['linux/arm64', 'linux/arm64', 0],
  ['linux/arm64/v8', 'linux/arm64', 0],
  ['linux/arm64/v8', 'linux/amd64 linux/arm64/v8', 1],
  ['linux/arm', 'linux/arm/v5 linux/arm/v6 linux/arm/v7', 2],
  ['linux/arm', 'linux/arm/v5 linux/arm/v6', 1],
  ['linux/arm', 'linux/arm/v5', 0],
  ['linux/arm', 'linux/arm/v6 linux/arm', 1],
  ['linux/arm/v6', 'linux/arm/v7 linux/arm/v6', 1],
  ['linux/riscv64', 'linux/riscv64/x linux/riscv64', 1],
  ['linux/riscv64', 'linux/riscv64/x', 0],
  // The first of equals.
  ['linux/amd64', 'linux/amd64 linux/amd64', 0],
])('takes for %s of "%s" number %i', (wanted, available, index) => {
  const entries = available.split(' ').map((platform, place) => entry(platform, { place: String(place) }));
  expect(selectPlatform(entries, parsePlatform(wanted))).toBe(entries[index]);
});

it.each([
  ['linux/amd64', 'linux/arm64 windows/amd64'],
  ['linux/arm64', 'linux/arm64/v9'],
  ['linux/arm64/v9', 'linux/arm64 linux/arm64/v8'],
  ['linux/arm', 'linux/arm/v8 linux/arm64'],
  ['linux/arm/v6', 'linux/arm/v7 linux/arm'],
  ['linux/amd64/v2', 'linux/amd64 linux/amd64/v1'],
])('finds nothing for %s in "%s", and says what there is', (wanted, available) => {
  const entries = available.split(' ').map((platform) => entry(platform));
  expect(() => selectPlatform(entries, parsePlatform(wanted))).toThrow(
    expect.objectContaining({
      code: 'ERR_NO_PLATFORM',
      message: expect.stringContaining(available.replaceAll(' ', ', ')),
    }),
  );
});

it('leaves attestations out', () => {
  const unknown = entry('unknown/unknown');
  const marked = entry('linux/amd64', { 'vnd.docker.reference.type': 'attestation-manifest' });
  const image = entry('linux/amd64');
  expect(selectPlatform([unknown, marked, image], parsePlatform('linux/amd64'))).toBe(image);
  expect(() => selectPlatform([unknown, marked], parsePlatform('unknown/unknown'))).toThrow(
    expect.objectContaining({ code: 'ERR_NO_PLATFORM' }),
  );
});

it('takes a single image without a platform, but not one of several', () => {
  const bare = entry(undefined);
  const wanted = parsePlatform('linux/amd64');
  expect(selectPlatform([entry('unknown/unknown'), bare], wanted)).toBe(bare);
  for (const entries of [[bare, bare], [bare, entry('linux/arm64')], []]) {
    expect(() => selectPlatform(entries, wanted)).toThrow(
      expect.objectContaining({ code: 'ERR_NO_PLATFORM' }),
    );
  }
});

it.each([
  ['x64', 'linux', 'linux/amd64'],
  ['arm64', 'linux', 'linux/arm64'],
  ['arm', 'linux', 'linux/arm'],
  ['ia32', 'linux', 'linux/386'],
  ['ppc64', 'linux', 'linux/ppc64le'],
  ['s390x', 'linux', 'linux/s390x'],
  ['arm64', 'darwin', 'darwin/arm64'],
  ['x64', 'win32', 'windows/amd64'],
])('calls the host %s on %s %s', (arch, platform, expected) => {
  expect(formatPlatform(hostPlatform(arch, platform))).toBe(expected);
});
