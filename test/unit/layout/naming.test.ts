/** What images on disk are called. */

import { expect, it } from 'vitest';
import { isSameName, namingOf } from '../../../src/layout/naming.js';

const HUB = 'registry-1.docker.io';

it.each<[name: string | undefined, path: string, expected: object]>([
  [
    'quay.io/team/app:1.0',
    '/x/y.tar',
    { originalName: 'quay.io/team/app:1.0', registry: 'quay.io', repository: 'team/app', tag: '1.0' },
  ],
  [
    'busybox:1.36',
    '/x/y.tar',
    { originalName: 'busybox:1.36', registry: HUB, repository: 'library/busybox', tag: '1.36' },
  ],
  ['team/app', '/x/y', { originalName: 'team/app', registry: HUB, repository: 'team/app', tag: 'latest' }],
  ['1.0', '/x/app.tar', { originalName: 'app.tar:1.0', repository: 'app', tag: '1.0' }],
  [
    'Not/A:Name!',
    '/x/app.tar.gz',
    { originalName: 'app.tar.gz:Not/A:Name!', repository: 'app', tag: 'Not/A:Name!' },
  ],
  [undefined, '/x/app.tar.zst', { originalName: 'app.tar.zst', repository: 'app' }],
  [undefined, '/x/app-1.0', { originalName: 'app-1.0', repository: 'app-1.0' }],
  [undefined, '/x/.tar', { originalName: '.tar', repository: '.tar' }],
])('an image named %s in %s is %o', (name, path, expected) => {
  expect(namingOf(name, path)).toEqual(expected);
});

it.each([
  ['busybox', 'docker.io/library/busybox:latest', true],
  ['busybox:1', 'busybox:1', true],
  ['busybox:1', 'busybox:2', false],
  ['team/app', 'quay.io/team/app', false],
  ['1.0', '1.0', true],
  ['1.0', '2.0', false],
  ['!', 'a', false],
])('%s and %s mean the same: %s', (a, b, isSame) => {
  expect(isSameName(a, b)).toBe(isSame);
});
