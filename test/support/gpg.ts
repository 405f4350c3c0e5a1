/** GnuPG in a home of its own: keys of every kind, signatures by them, and what it says of a signature. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runTool } from './process.js';

export interface GpgKeyOptions {
  /** As `gpg --quick-gen-key` has it: `rsa2048`, `ed25519`, `dsa2048`, `nistp256`, … Default `ed25519`. */
  readonly algorithm?: string | undefined;
  /** Default `sign`. */
  readonly usage?: 'sign' | 'cert' | undefined;
  /** When it is made. Default: now. */
  readonly createdAt?: Date | undefined;
  /** `never`, `1y`, `30d`, … Default `never`. */
  readonly expires?: string | undefined;
}

export interface GpgSignOptions {
  readonly at?: Date | undefined;
  readonly armor?: boolean | undefined;
  /** Default: gpg's own choice. */
  readonly digest?: string | undefined;
  /** A signature of text instead of a binary file. */
  readonly textMode?: boolean | undefined;
  readonly extraArgs?: readonly string[] | undefined;
}

/** The first of its status lines that decides. `TIME` stands for a good one from the future. */
export type GpgStatus =
  | 'GOODSIG'
  | 'BADSIG'
  | 'ERRSIG'
  | 'EXPSIG'
  | 'EXPKEYSIG'
  | 'REVKEYSIG'
  | 'NODATA'
  | 'FAILURE'
  | 'none';

export interface Gpg {
  /** Makes a key for `NAME <name@example.test>`; resolves with its fingerprint in lower case. */
  createKey(name: string, options?: GpgKeyOptions): Promise<string>;
  /** Adds a sub-key that signs, and resolves with its fingerprint. */
  addSubkey(fingerprint: string, algorithm: string, options?: GpgKeyOptions): Promise<string>;
  setExpiry(fingerprint: string, expires: string): Promise<void>;
  revoke(fingerprint: string): Promise<void>;
  /** Revokes the last of its sub-keys. */
  revokeSubkey(fingerprint: string): Promise<void>;
  sign(fingerprint: string, content: Uint8Array, options?: GpgSignOptions): Promise<Buffer>;
  exportKeys(fingerprints: readonly string[], options?: { readonly armor?: boolean }): Promise<Buffer>;
  exportSecretKey(fingerprint: string): Promise<Buffer>;
  importKeys(bytes: Uint8Array): Promise<void>;
  verify(signature: Uint8Array, content: Uint8Array): Promise<{ status: GpgStatus; code: number | null }>;
  /** Ends its agent and removes its home. */
  close(): Promise<void>;
}

/** The path has to be short: the socket of the agent stands in it. */
export function createGpg(): Gpg {
  const home = mkdtempSync(join(tmpdir(), 'aci-gpg-'));
  const env = { PATH: process.env['PATH'] ?? '', GNUPGHOME: home, LC_ALL: 'C' };
  let files = 0;

  const common = [
    ...['--batch', '--no-tty', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''],
    // Without them it weighs all of its keys again after each new one.
    ...['--trust-model', 'always', '--no-auto-check-trustdb'],
  ];
  const gpg = (args: readonly string[], input?: string | Uint8Array) =>
    runTool('gpg', [...common, ...args], { env, input });
  const at = (date: Date | undefined): string[] =>
    date === undefined ? [] : ['--faked-system-time', `${date.toISOString().replace(/[-:]|\.\d+Z$/g, '')}!`];
  const fileWith = (bytes: Uint8Array): string => {
    const path = join(home, `file-${files++}`);
    writeFileSync(path, bytes);
    return path;
  };

  async function fingerprintsOf(user: string): Promise<string[]> {
    const { stdout } = await gpg(['--with-colons', '--fingerprint', '--fingerprint', '--list-keys', user]);
    return [...stdout.matchAll(/^fpr:+([0-9A-F]+):/gm)].map(([, hex = '']) => hex.toLowerCase());
  }

  return {
    async createKey(name, options = {}) {
      const user = `${name} <${name.toLowerCase()}@example.test>`;
      const { algorithm = 'ed25519', usage = 'sign', expires = 'never' } = options;
      await gpg([...at(options.createdAt), '--quick-gen-key', user, algorithm, usage, expires]);
      const [fingerprint = ''] = await fingerprintsOf(`=${user}`);
      return fingerprint;
    },
    async addSubkey(fingerprint, algorithm, options = {}) {
      const expires = options.expires ?? 'never';
      await gpg([...at(options.createdAt), '--quick-add-key', fingerprint, algorithm, 'sign', expires]);
      return (await fingerprintsOf(fingerprint)).at(-1) ?? '';
    },
    async setExpiry(fingerprint, expires) {
      await gpg(['--quick-set-expire', fingerprint, expires]);
    },
    async revoke(fingerprint) {
      const path = join(home, 'openpgp-revocs.d', `${fingerprint.toUpperCase()}.rev`);
      const certificate = readFileSync(path, 'utf8').replace(':-----BEGIN', '-----BEGIN');
      await gpg(['--import'], certificate);
    },
    async revokeSubkey(fingerprint) {
      const commands = 'key 1\nrevkey\ny\n0\n\ny\nsave\n';
      await gpg(['--command-fd', '0', '--no-batch', '--edit-key', fingerprint], commands);
    },
    async sign(fingerprint, content, options = {}) {
      const args = [
        ...at(options.at),
        ...(options.armor === true ? ['--armor'] : []),
        ...(options.digest === undefined ? [] : ['--digest-algo', options.digest]),
        ...(options.textMode === true ? ['--textmode'] : []),
        ...(options.extraArgs ?? []),
      ];
      const { stdoutBytes } = await gpg([
        ...args,
        ...['--local-user', fingerprint, '--output', '-', '--detach-sign', fileWith(content)],
      ]);
      return stdoutBytes;
    },
    async exportKeys(fingerprints, { armor = true } = {}) {
      const { stdoutBytes } = await gpg([...(armor ? ['--armor'] : []), '--export', ...fingerprints]);
      return stdoutBytes;
    },
    async exportSecretKey(fingerprint) {
      return (await gpg(['--armor', '--export-secret-keys', fingerprint])).stdoutBytes;
    },
    async importKeys(bytes) {
      await gpg(['--import'], bytes);
    },
    async verify(signature, content) {
      const args = [...common, '--status-fd', '1', '--verify', fileWith(signature), fileWith(content)];
      const { stdout, code } = await run('gpg', args, { env });
      const found = /^\[GNUPG:\] (GOODSIG|BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG|NODATA|FAILURE)/m.exec(
        stdout,
      );
      return { status: (found?.[1] ?? 'none') as GpgStatus, code };
    },
    async close() {
      await run('gpgconf', ['--kill', 'gpg-agent'], { env });
      rmSync(home, { recursive: true, force: true });
    },
  };
}
