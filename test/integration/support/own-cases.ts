/** Rows of the conformance suite that umoci cannot judge: what it does otherwise, and what is refused. */

import type { ErrorCode } from '../../../dist/src/index.js';
import type { TarEntry } from '../../support/images/tar.js';
import { aFile, dir, file, type LayerCase, LOWER, link, symlink, whiteout } from './layer-case.js';

const JUDGED: readonly LayerCase[] = [
  {
    title: 'a hard link that stands before its target',
    layers: [[link('b', 'a'), link('c', 'b'), file('a', 'x')]],
    judge: 'specification',
    why: 'umoci wants the target first; the order of links must not matter',
    expected: { a: aFile('x'), b: { hardLinkGroup: 'a' }, c: { hardLinkGroup: 'a' } },
  },
  {
    title: 'a hard link behind the whiteout of its target',
    layers: [
      [file('f', 'x'), dir('d'), file('d/g', 'y')],
      [whiteout('.wh.f'), whiteout('.wh.d'), link('kept', 'f'), link('also', 'd/g')],
    ],
    judge: 'specification',
    why: 'umoci has no target any more; where the whiteout stands must not matter',
    expected: { kept: aFile('x'), also: aFile('y') },
  },
  {
    title: 'what aufs notes for itself',
    layers: [[file('f', 'x'), dir('.wh..wh.plnk'), file('.wh..wh.plnk/12.34', 'y'), file('.wh..wh.aufs')]],
    judge: 'specification',
    why: 'umoci makes the file; Docker leaves all of these names out',
    expected: { f: aFile('x') },
  },
];

const refused = (
  title: string,
  code: ErrorCode,
  why: string,
  ...entries: readonly TarEntry[]
): LayerCase => ({
  title,
  layers: [LOWER, entries],
  judge: 'error',
  code,
  why,
});

const CLIMBS = 'umoci would put it at the root';
const NOTHING = 'the entry cannot be made';

const REFUSED: readonly LayerCase[] = [
  refused('a file that climbs out of the root', 'ERR_UNSAFE_PATH', CLIMBS, file('../x')),
  refused('a file that climbs out in the middle of its name', 'ERR_UNSAFE_PATH', CLIMBS, file('d/../../x')),
  refused('an absolute name that climbs', 'ERR_UNSAFE_PATH', CLIMBS, file('/../../x')),
  refused('a directory that is the one above the root', 'ERR_UNSAFE_PATH', CLIMBS, dir('..')),
  refused('a hard link to something outside', 'ERR_UNSAFE_PATH', CLIMBS, link('x', '../../etc/passwd')),
  refused('a whiteout of something outside', 'ERR_UNSAFE_PATH', CLIMBS, whiteout('../.wh.x')),
  refused('an opaque marker outside', 'ERR_UNSAFE_PATH', CLIMBS, whiteout('../.wh..wh..opq')),
  refused('a long name that climbs', 'ERR_UNSAFE_PATH', CLIMBS, file(`${'n'.repeat(150)}/../../x`)),
  refused(
    'a whiteout of the directory itself',
    'ERR_UNSAFE_PATH',
    'umoci would take the directory away',
    whiteout('d/.wh..'),
  ),
  refused(
    'a whiteout of the directory above',
    'ERR_UNSAFE_PATH',
    'umoci would take that away',
    whiteout('d/.wh...'),
  ),
  refused('a whiteout of nothing', 'ERR_TAR_INVALID', 'it has no name', whiteout('d/.wh.')),
  refused('a hard link to nothing', 'ERR_TAR_INVALID', NOTHING, link('x', 'nowhere')),
  refused('hard links in a ring', 'ERR_TAR_INVALID', NOTHING, link('x', 'y'), link('y', 'x')),
  refused('a hard link to itself', 'ERR_TAR_INVALID', NOTHING, link('x', 'x')),
  refused('a hard link to a directory', 'ERR_TAR_INVALID', NOTHING, link('x', 'd')),
  refused('an entry below a file', 'ERR_TAR_INVALID', NOTHING, file('f/x')),
  refused(
    'an entry through a ring of symbolic links',
    'ERR_TAR_INVALID',
    NOTHING,
    symlink('r1', 'r2'),
    symlink('r2', 'r1'),
    file('r1/x'),
  ),
  refused('a root that is a file', 'ERR_TAR_INVALID', NOTHING, file('.')),
  refused('an entry of an unknown type', 'ERR_TAR_INVALID', 'nobody could say what it is', {
    path: 'x',
    typeflag: 'Z',
  }),
  refused('a name longer than any path', 'ERR_LIMIT', 'no system could unpack it', file('n/'.repeat(2100))),
];

export const OWN_CASES: readonly LayerCase[] = [...JUDGED, ...REFUSED];

/** As docker2aci has them. */
const STDIO = {
  'dev/fd': '/proc/self/fd',
  'dev/stderr': '/dev/console',
  'dev/stdin': '/proc/self/fd/0',
  'dev/stdout': '/dev/console',
};

/** Images and what they have of the four links of /dev afterwards. */
export const STDIO_CASES: readonly {
  readonly title: string;
  readonly layers: readonly (readonly TarEntry[])[];
  readonly expected: Readonly<Record<string, string>>;
}[] = [
  { title: 'in an image without /dev', layers: [[file('f')]], expected: STDIO },
  { title: 'in an image without layers', layers: [], expected: STDIO },
  { title: 'beside what is there', layers: [[dir('dev'), file('dev/x')]], expected: STDIO },
  {
    title: 'but not in place of what is there',
    layers: [[symlink('dev/stdin', 'own')]],
    expected: { ...STDIO, 'dev/stdin': 'own' },
  },
  {
    title: 'where an upper layer took them away',
    layers: [[symlink('dev/fd', 'x')], [file('dev/.wh.fd')]],
    expected: STDIO,
  },
  { title: 'but not where /dev is a file', layers: [[file('dev', 'no directory')]], expected: {} },
  {
    title: 'but not where /dev is a symbolic link',
    layers: [[symlink('dev', 'f'), file('f')]],
    expected: {},
  },
];
