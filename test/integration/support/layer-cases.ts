/** Rows of the conformance suite: what layers do to each other. */

import type { TarEntry } from '../../support/images/tar.js';
import { dir, file, type LayerCase, LOWER, link, symlink, type UmociJudges, whiteout } from './layer-case.js';

type Layers = readonly (readonly TarEntry[])[];

/** Layers above those that most rows have, judged by umoci. */
const above = (title: string, ...layers: Layers): LayerCase => ({
  title,
  layers: [LOWER, ...layers],
  judge: 'umoci',
});
const untimed = (paths: RegExp, why: string): UmociJudges => ({ judge: 'umoci', untimed: { paths, why } });
const WHITED_OUT_INSIDE = 'umoci gives a directory the present time when it takes something out of it';
const NO_ENTRY = 'it is made anew without an entry, which changes the time of what it lies in, too';

const WHITEOUTS: readonly LayerCase[] = [
  above('nothing above'),
  above('whiteouts of a file, a directory, a symbolic link and of nothing', [
    whiteout('.wh.f'),
    whiteout('.wh.d'),
    whiteout('.wh.s'),
    whiteout('.wh.none'),
    whiteout('nowhere/.wh.none'),
  ]),
  {
    ...above('whiteouts in a directory', [whiteout('d/.wh.a'), whiteout('d/.wh.sub')]),
    ...untimed(/^d$/, WHITED_OUT_INSIDE),
  },
  above('a whiteout that has content and is a directory', [file('.wh.f', 'content'), dir('.wh.d')]),
  above('a whiteout two layers up, and the path again above', [], [whiteout('.wh.f')], [file('f', 'third')]),
  above(
    'a directory that comes back after its whiteout without what was in it',
    [whiteout('.wh.d')],
    [dir('d'), file('d/new')],
  ),
  above('a directory whited out and made anew in one layer', [
    whiteout('.wh.d'),
    dir('d', { mode: 0o700 }),
    file('d/new'),
  ]),
  {
    ...above('a directory made anew and whited out in one layer', [
      dir('d'),
      file('d/new'),
      whiteout('.wh.d'),
    ]),
    ...untimed(/^d$/, WHITED_OUT_INSIDE),
  },
  above('a file whited out and made anew in one layer', [whiteout('.wh.f'), file('f', 'new')]),
  above('a file made anew and whited out in one layer', [file('f', 'new'), whiteout('.wh.f')]),
  above('a file that becomes a directory beside its whiteout', [dir('f'), whiteout('.wh.f'), file('f/x')]),
  {
    ...above('a whiteout of a directory beside an entry in it', [whiteout('.wh.d'), file('d/only')]),
    ...untimed(/^d$/, NO_ENTRY),
  },
  above('a whiteout twice', [whiteout('.wh.f'), whiteout('.wh.f')]),
  {
    ...above('a whiteout through a symbolic link to a directory', [whiteout('s/.wh.a')]),
    ...untimed(/^d$/, WHITED_OUT_INSIDE),
  },
  above('names of whiteouts in the middle', [file('x.wh.y'), file('d/z.wh.'), file('.whx')]),
  above('a name with dots behind the mark', [file('.hidden'), file('..two')], [whiteout('.wh..hidden')]),
];

const OPAQUE: readonly LayerCase[] = [
  above('an opaque directory, its marker last', [dir('d'), file('d/new'), whiteout('d/.wh..wh..opq')]),
  above('an opaque directory, its marker after the directory', [
    dir('d'),
    whiteout('d/.wh..wh..opq'),
    file('d/new'),
  ]),
  {
    ...above('an opaque directory, its marker first', [
      whiteout('d/.wh..wh..opq'),
      dir('d'),
      file('d/sub/new'),
    ]),
    ...untimed(/^d(\/sub)?$/, NO_ENTRY),
  },
  {
    ...above('an opaque directory without an entry', [whiteout('d/.wh..wh..opq'), file('d/sub/new')]),
    ...untimed(/^d(\/sub)?$/, NO_ENTRY),
  },
  above('an opaque root', [whiteout('.wh..wh..opq'), file('new')]),
  above('an opaque marker where there is nothing', [dir('n'), whiteout('n/.wh..wh..opq'), file('n/new')]),
  above(
    'an opaque directory in the middle',
    [dir('d'), whiteout('d/.wh..wh..opq'), file('d/m')],
    [file('d/top')],
  ),
  above('an opaque directory in an opaque one', [
    dir('d'),
    dir('d/sub'),
    whiteout('d/sub/.wh..wh..opq'),
    whiteout('d/.wh..wh..opq'),
    file('d/sub/new'),
  ]),
  {
    ...above('an opaque marker through a symbolic link', [whiteout('s/.wh..wh..opq'), file('s/new')]),
    ...untimed(/^d$/, WHITED_OUT_INSIDE),
  },
  above('an opaque directory where a symbolic link was', [
    dir('s'),
    whiteout('s/.wh..wh..opq'),
    file('s/new'),
  ]),
];

const TYPES: readonly LayerCase[] = [
  above('a file where a directory was', [file('d', 'now a file')]),
  above('a directory where a file was', [dir('f'), file('f/below')]),
  above('a symbolic link where a directory was', [symlink('d', 'f')]),
  above('a symbolic link where a file was', [symlink('f', 'd')]),
  above('a directory where a symbolic link was', [dir('s'), file('s/own')]),
  above('a file where a symbolic link was', [file('s', 'own')]),
  above('a fifo and a device where a file and a directory were', [
    { path: 'f', type: 'fifo' },
    { path: 'd', type: 'character', devmajor: 1, devminor: 3 },
  ]),
  above('a file where a directory was, and a directory again', [file('d')], [dir('d'), file('d/last')]),
  above(
    'file, directory, symbolic link, file at one path',
    [dir('f'), file('f/in')],
    [symlink('f', 'd')],
    [file('f', 'a file again')],
  ),
  above('a directory that is only stated again', [dir('d', { mode: 0o711 })]),
  above('a root with mode, owner and time of its own', [dir('.', { mode: 0o1775 }), file('r')], [dir('./')]),
];

const SYMLINKS: readonly LayerCase[] = [
  above('a file through a symbolic link to a directory', [file('s/through')]),
  above('a directory through a symbolic link', [
    dir('s/made'),
    file('s/made/x'),
    dir('s/sub', { mode: 0o700 }),
  ]),
  above('a symbolic link to the root, with entries through it', [symlink('r', '/'), file('r/d/via')]),
  above('an absolute symbolic link', [symlink('abs', '/d/sub')], [file('abs/y')]),
  above('a relative symbolic link that goes up', [symlink('d/sub/up', '../../d')], [file('d/sub/up/y')]),
  above(
    'a symbolic link out of the root, which ends at the root',
    [symlink('out', '../../../d')],
    [file('out/y')],
  ),
  above('symbolic links in a row', [symlink('s2', 's'), symlink('s3', './s2/sub')], [file('s3/y')]),
  above('a symbolic link of the same layer', [symlink('here', 'd/sub'), file('here/y')]),
  above(
    'a symbolic link to nothing, which becomes a directory',
    [symlink('none', 'later/on')],
    [file('none/y')],
  ),
  above('the symbolic link itself replaced, not what it leads to', [symlink('s', 'f')]),
];

const LINKS: readonly LayerCase[] = [
  above('hard links in a row', [file('h1'), link('h2', 'h1'), link('h3', 'h2')], [whiteout('.wh.h1')]),
  above('a hard link to a symbolic link', [symlink('l1', 'f'), link('l2', 'l1')]),
  above('a hard link to a fifo', [{ path: 'p1', type: 'fifo' }, link('p2', 'p1')]),
  above('a hard link to a device', [
    { path: 'n1', type: 'character', devmajor: 1, devminor: 3 },
    link('n2', 'n1'),
  ]),
  above('the first name of a linked file whited out', [whiteout('.wh.first')]),
  above('the first name of a linked file replaced', [file('first', 'other')]),
  above('every name of a linked file whited out', [whiteout('.wh.first'), whiteout('.wh.second')]),
  above(
    'a linked file below a directory that is whited out',
    [link('d/third', 'first')],
    [whiteout('.wh.d')],
  ),
  above(
    'a linked file whose directory becomes opaque',
    [file('d/one'), link('two', 'd/one'), link('three', 'two')],
    [dir('d'), whiteout('d/.wh..wh..opq')],
  ),
  above('a hard link to a file of the layer below', [link('third', 'second')]),
  above('a hard link to a file two layers below', [], [link('third', 'first')], [link('d/fourth', 'third')]),
  above(
    'a hard link to a file below whose other names go',
    [link('third', 'first'), whiteout('.wh.second')],
    [whiteout('.wh.first')],
  ),
  above('a hard link to a file that its own layer hides after it', [link('third', 'f'), whiteout('.wh.f')]),
  above('a hard link to a file that its own layer replaces after it', [link('third', 'f'), file('f', 'new')]),
  above('a hard link to a file that its own layer replaced before it', [
    file('f', 'new'),
    link('third', 'f'),
  ]),
  above('a hard link to what becomes a directory after it', [link('third', 'f'), dir('f'), file('f/in')]),
  above('a hard link through a symbolic link to a directory', [link('third', 's/a')]),
  above('a hard link that lies below a symbolic link', [link('s/third', 'f')]),
  above('a hard link whose target is spelt oddly', [link('third', './/d/../first'), link('fourth', '/f')]),
  above('hard links to both of two files that swap', [link('t1', 'f'), file('f', 'x'), link('t2', 'f')]),
];

const TWICE: readonly LayerCase[] = [
  above('a path twice in a layer', [file('twice', '1'), file('twice', 'two')]),
  above('a path twice in a layer, as directory and file', [file('twice'), dir('twice'), file('twice/below')]),
  above('a path twice in a layer, as file and directory', [dir('twice'), file('twice/below'), file('twice')]),
  above('a path twice in a layer, as symbolic link and file', [symlink('twice', 'f'), file('twice', 'own')]),
  above('a directory twice in a layer', [dir('n', { mode: 0o700 }), file('n/x'), dir('n', { mode: 0o711 })]),
  above('a path twice in different spellings', [file('twice', '1'), file('./d/../twice', 'two')]),
  above('a file twice with a link to it between', [file('t', '1'), link('u', 't'), file('t', 'two')]),
  above('a link and a file at one path', [file('t'), link('u', 't'), file('u', 'own')]),
  above('a file and a link at one path', [file('t'), file('u', 'own'), link('u', 't')]),
  above('a file three times with links to each', [
    file('t', '1'),
    link('u1', 't'),
    file('t', '22'),
    link('u2', 't'),
    symlink('t', 'u1'),
    link('u3', 't'),
  ]),
];

const NAMES: readonly LayerCase[] = [
  above('directories that no layer has an entry for', [file('made/up/file')], [file('made/other')]),
  above('names that are absolute or have dots in them', [file('/abs'), file('./dot'), file('d/./sub/../up')]),
  above('whiteouts whose names are absolute or have dots', [whiteout('/.wh.f'), whiteout('./.wh.first')]),
  above(
    'names with bytes that are no UTF-8',
    [
      { path: Buffer.from([0x62, 0xff]), data: 'b' },
      { path: Buffer.from([0x64, 0x2f, 0xc3, 0x28]), data: 'in d' },
    ],
    [whiteoutOf(Buffer.from([0x62, 0xff]))],
  ),
  above('names with spaces, quotes, line feeds and backslashes', [
    file(' '),
    file('a "b" \'c\''),
    file('line\nfeed'),
    file('back\\slash\\n'),
    file('-rf'),
    file('d/ \t'),
  ]),
  above('an empty layer in the middle and on top', [], [file('m')], []),
  { title: 'an empty layer alone', layers: [[]], judge: 'umoci' },
  { title: 'a layer that has the root alone', layers: [[dir('./', { mode: 0o700 })]], judge: 'umoci' },
  { title: 'the same layer three times', layers: [LOWER, [file('f', 'x')], LOWER, LOWER], judge: 'umoci' },
  {
    title: 'forty layers over each other',
    layers: Array.from({ length: 40 }, (_, at) => [file('top', `layer ${at}`), file(`of/${at}`)]),
    judge: 'umoci',
  },
];

function whiteoutOf(name: Buffer): TarEntry {
  return { path: Buffer.concat([Buffer.from('.wh.'), name]) };
}

export const LAYER_CASES: readonly LayerCase[] = [
  ...WHITEOUTS,
  ...OPAQUE,
  ...TYPES,
  ...SYMLINKS,
  ...LINKS,
  ...TWICE,
  ...NAMES,
];
