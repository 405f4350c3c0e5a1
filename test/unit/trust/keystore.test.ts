/** The keystore: which keys are trusted for which names, what overrides what, and what damages it. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  addKey,
  disabledFor,
  keysFor,
  listKeys,
  type Prefix,
  prefixesOf,
  removeKey,
} from '../../../src/trust/keystore.js';
import { createSigningKey, type SigningKey } from '../../support/images/keys.js';
import { runTool } from '../../support/process.js';
import { tempDir } from '../../support/temp.js';

let one: SigningKey;
let two: SigningKey;
let system: string;
let local: string;
let user: string;
let dirs: readonly string[];

beforeAll(async () => {
  one = await createSigningKey({ name: 'One' });
  two = await createSigningKey({ name: 'Two' });
});

beforeEach(() => {
  const root = tempDir('acifetch-keystore-');
  [system, local, user] = [join(root, 'system'), join(root, 'local'), join(root, 'user')];
  dirs = [system, local, user];
});

/** As another program, or a person, puts it there. */
function place(configDir: string, prefix: Prefix, name: string, text: string): string {
  const path = join(
    configDir,
    'trustedkeys',
    prefix === undefined ? 'root.d' : join('prefix.d', prefix),
    name,
  );
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const trust = (configDir: string, prefix: Prefix, { fingerprint, publicKey }: SigningKey): string =>
  place(configDir, prefix, fingerprint, publicKey);
const distrust = (configDir: string, prefix: Prefix, { fingerprint }: SigningKey): string =>
  place(configDir, prefix, fingerprint, '');

async function trustedFor(name: string): Promise<string[]> {
  const keys = await keysFor(name, dirs);
  return keys.map(({ userIds }) => (userIds[0]?.startsWith('One') === true ? 'one' : 'two')).sort();
}

describe('a prefix', () => {
  it.each([
    ['example.com', ['example.com']],
    ['example.com/app', ['example.com', 'example.com/app']],
    ['a/b/c', ['a', 'a/b', 'a/b/c']],
    ['a/../b', ['a']],
    ['a/./b', ['a']],
    ['a//b', ['a']],
    ['../a', []],
    ['a/B', ['a']],
    [`a/${'0'.repeat(40)}/b`, ['a']],
    [`a/${'b'.repeat(255)}`, ['a', `a/${'b'.repeat(255)}`]],
    [`a/${'b'.repeat(256)}/c`, ['a']],
    ['', []],
  ])('of %j is one of %j', (name, prefixes) => {
    expect(prefixesOf(name)).toEqual(prefixes);
  });

  it.each([
    ['example.com/app', ['one']],
    ['example.com/app/x', ['one']],
    ['example.com/apple', []],
    ['example.com/ap', []],
    ['example.com', []],
    ['example.org/example.com/app', []],
    ['example.com/app/../../other', ['one']],
    [`example.com/app/${'x'.repeat(255)}`, ['one']],
    [`example.com/app/${'x'.repeat(256)}`, ['one']],
  ])('matches whole path elements: %s', async (name, expected) => {
    trust(local, 'example.com/app', one);
    expect(await trustedFor(name)).toEqual(expected);
  });
});

describe('the keys for a name', () => {
  it('are none where there is no keystore', async () => {
    expect(await keysFor('example.com/app', dirs)).toEqual([]);
    expect(await listKeys(dirs)).toEqual([]);
  });

  it('are those for every name and those of its prefixes, of all folders', async () => {
    trust(system, undefined, one);
    trust(user, 'example.com', two);
    expect(await trustedFor('example.com/app')).toEqual(['one', 'two']);
    expect(await trustedFor('example.org')).toEqual(['one']);
  });

  it.each<[string, () => void, string[]]>([
    [
      'the local folder disables one of the system',
      () => {
        trust(system, 'example.com', one);
        distrust(local, 'example.com', one);
      },
      [],
    ],
    [
      'the user disables one of the system',
      () => {
        trust(system, undefined, one);
        distrust(user, undefined, one);
      },
      [],
    ],
    [
      'the user trusts again what the machine disabled',
      () => {
        trust(system, 'example.com', one);
        distrust(local, 'example.com', one);
        trust(user, 'example.com', one);
      },
      ['one'],
    ],
    [
      'an earlier folder disables nothing of a later one',
      () => {
        distrust(system, 'example.com', one);
        trust(local, 'example.com', one);
      },
      ['one'],
    ],
    [
      'a longer prefix disables what a shorter one trusts',
      () => {
        trust(system, 'example.com', one);
        distrust(local, 'example.com/app', one);
      },
      [],
    ],
    [
      'a prefix disables a key for every name',
      () => {
        trust(system, undefined, one);
        distrust(local, 'example.com/app', one);
      },
      [],
    ],
    [
      'a key disabled for every name stays that of a prefix',
      () => {
        trust(system, 'example.com', one);
        distrust(local, undefined, one);
      },
      ['one'],
    ],
    [
      'another prefix disables nothing',
      () => {
        trust(system, 'example.com', one);
        distrust(local, 'example.com/other', one);
      },
      ['one'],
    ],
    [
      'another key is left alone',
      () => {
        trust(system, 'example.com', two);
        distrust(local, 'example.com', one);
      },
      ['two'],
    ],
  ])('when %s', async (_, arrange, expected) => {
    arrange();
    expect(await trustedFor('example.com/app')).toEqual(expected);
  });

  it('may stand in linked files and folders, beside hidden ones', async () => {
    trust(system, 'example.com', one);
    mkdirSync(join(local, 'trustedkeys', 'prefix.d'), { recursive: true });
    symlinkSync(
      join(system, 'trustedkeys', 'prefix.d', 'example.com'),
      join(local, 'trustedkeys', 'prefix.d', 'example.org'),
    );
    place(system, 'example.com', '.keep', '');
    expect(await trustedFor('example.org/app')).toEqual(['one']);
    expect((await listKeys(dirs)).map(({ prefix }) => prefix)).toEqual(['example.com', 'example.org']);
  });
});

describe('the keys that are disabled for a name', () => {
  it('are those whose last file is empty, also where nothing trusts them', async () => {
    trust(system, 'example.com', one);
    distrust(local, 'example.com', one);
    distrust(local, undefined, two);
    expect(await disabledFor('example.com/app', dirs)).toEqual(new Set([one.fingerprint, two.fingerprint]));
    expect(await disabledFor('example.org', dirs)).toEqual(new Set([two.fingerprint]));
    trust(user, 'example.com/app', one);
    expect(await disabledFor('example.com/app', dirs)).toEqual(new Set([two.fingerprint]));
  });
});

describe('a damaged keystore', () => {
  it.each<[string, () => string]>([
    ['a key under the name of another', () => place(local, 'example.com', two.fingerprint, one.publicKey)],
    ['a file that is no key', () => place(local, 'example.com', one.fingerprint, 'no key')],
    ['a name in upper case', () => place(local, 'example.com', one.fingerprint.toUpperCase(), one.publicKey)],
    ['a name that is no fingerprint', () => place(local, 'example.com', 'README', 'keys')],
    [
      'a link that leads nowhere',
      () => {
        const path = trust(local, 'example.com', two).replace(two.fingerprint, one.fingerprint);
        symlinkSync(join(local, 'nowhere'), path);
        return path;
      },
    ],
    [
      'a file instead of a folder',
      () => {
        const path = join(local, 'trustedkeys', 'prefix.d', 'example.com');
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, one.publicKey);
        return path;
      },
    ],
    ['a file that is too large', () => place(local, 'example.com', one.fingerprint, 'x'.repeat(5_000_000))],
  ])('is named: %s', async (_, arrange) => {
    const path = arrange();
    await expect(keysFor('example.com/app', dirs)).rejects.toMatchObject({
      code: 'ERR_KEYSTORE_DAMAGED',
      exitCode: 8,
      message: expect.stringContaining(path),
    });
    expect(await keysFor('example.org', dirs)).toEqual([]);
  });

  it('is one with something that is no plain file', async () => {
    const path = trust(local, undefined, two).replace(two.fingerprint, one.fingerprint);
    await runTool('mkfifo', [path]);
    await expect(keysFor('a', dirs)).rejects.toMatchObject({ code: 'ERR_KEYSTORE_DAMAGED' });
  });

  it.runIf(process.getuid?.() !== 0)('is not one that may not be read', async () => {
    chmodSync(trust(local, undefined, one), 0);
    await expect(keysFor('a', dirs)).rejects.toMatchObject({ code: 'ERR_PERMISSION' });
  });

  it('takes the first key of a file, as rkt does', async () => {
    place(local, undefined, one.fingerprint, `${one.publicKey}\n${two.publicKey}`);
    expect(await trustedFor('a')).toEqual(['one']);
  });
});

describe('adding a key', () => {
  it('writes a file that everyone may read, in the layout of rkt', async () => {
    const key = { fingerprint: one.fingerprint, armored: one.publicKey };
    const path = await addKey(key, 'example.com/app', local);
    expect(path).toBe(join(local, 'trustedkeys/prefix.d/example.com/app', one.fingerprint));
    expect(readFileSync(path, 'utf8')).toBe(one.publicKey);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(await addKey(key, undefined, local)).toBe(join(local, 'trustedkeys/root.d', one.fingerprint));
    expect(await trustedFor('example.com/app')).toEqual(['one']);
  });

  it('trusts again what was disabled', async () => {
    distrust(local, undefined, one);
    await addKey({ fingerprint: one.fingerprint, armored: one.publicKey }, undefined, local);
    expect(await trustedFor('a')).toEqual(['one']);
  });

  it.each([
    '../x',
    'a/../b',
    '/a',
    'a/',
    'A',
    'example.com/*',
    '',
    'a//b',
    '.',
    `a/${'0'.repeat(40)}`,
    'a'.repeat(1025),
    `a/${'b'.repeat(256)}`,
  ])('refuses the prefix %j', async (prefix) => {
    const key = { fingerprint: one.fingerprint, armored: one.publicKey };
    await expect(addKey(key, prefix, local)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    expect(existsSync(local)).toBe(false);
  });

  it('refuses a fingerprint that is none', async () => {
    const key = { fingerprint: '../../x', armored: one.publicKey };
    await expect(addKey(key, 'a', local)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});

describe('removing a key', () => {
  const remove = (place: { prefix: Prefix } | 'everywhere', configDir = local) =>
    removeKey(one.fingerprint, place, dirs, configDir);

  it('removes its file in the folder that is written to', async () => {
    const path = trust(local, 'example.com', one);
    trust(local, 'example.org', one);
    expect(await remove({ prefix: 'example.com' })).toEqual({ removed: [path], disabled: [], remaining: [] });
    expect(existsSync(path)).toBe(false);
    expect(await trustedFor('example.com')).toEqual([]);
    expect(await trustedFor('example.org')).toEqual(['one']);
  });

  it('says what trusts it all the same: a shorter prefix, or every name', async () => {
    const path = trust(local, 'example.com/app', one);
    const shorter = trust(local, 'example.com', one);
    const place = { prefix: 'example.com/app' };
    expect(await remove(place)).toEqual({ removed: [path], disabled: [], remaining: [shorter] });
    expect(await remove(place)).toEqual({ removed: [], disabled: [], remaining: [shorter] });
    expect(await remove({ prefix: 'example.com' })).toMatchObject({ removed: [shorter], remaining: [] });
    const root = trust(system, undefined, one);
    expect(await remove(place)).toEqual({ removed: [], disabled: [], remaining: [root] });
  });

  it('disables one of the system with an empty file', async () => {
    trust(system, 'example.com', one);
    const path = trust(local, 'example.com', one);
    expect(await remove({ prefix: 'example.com' })).toEqual({ removed: [], disabled: [path], remaining: [] });
    expect(readFileSync(path, 'utf8')).toBe('');
    expect(await trustedFor('example.com')).toEqual([]);
    expect(await remove({ prefix: 'example.com' })).toEqual({ removed: [], disabled: [], remaining: [] });
  });

  it('takes it from everywhere', async () => {
    trust(system, undefined, one);
    trust(local, 'example.com', one);
    trust(local, 'example.org/app', one);
    trust(local, 'example.org/app', two);
    const { removed, disabled } = await remove('everywhere');
    expect([removed.length, disabled.length]).toEqual([2, 1]);
    expect(await trustedFor('example.com')).toEqual([]);
    expect(await trustedFor('example.org/app')).toEqual(['two']);
  });

  it('says where a later folder still trusts it', async () => {
    const path = trust(user, 'example.com', one);
    expect(await remove('everywhere')).toEqual({ removed: [], disabled: [], remaining: [path] });
  });

  it('of which there is none changes nothing', async () => {
    expect(await remove('everywhere')).toEqual({ removed: [], disabled: [], remaining: [] });
    expect(existsSync(local)).toBe(false);
  });
});

describe('the list', () => {
  it('has every file with its place and kind', async () => {
    trust(system, 'example.com/app', two);
    trust(system, undefined, one);
    distrust(local, undefined, one);
    expect(
      (await listKeys(dirs)).map(({ fingerprint, prefix, configDir, kind }) => [
        fingerprint === one.fingerprint ? 'one' : 'two',
        prefix,
        configDir,
        kind,
      ]),
    ).toEqual([
      ['one', undefined, system, 'key'],
      ['one', undefined, local, 'disabled'],
      ['two', 'example.com/app', system, 'key'],
    ]);
  });
});
