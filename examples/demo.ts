/** `npm run demo`: a registry and an ACI server on this machine, and the real command line that fetches from them. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { buildAci } from '../test/support/images/aci.js';
import { buildDockerImage, type DockerImage } from '../test/support/images/docker.js';
import { createSigningKey } from '../test/support/images/keys.js';
import type { TarEntry } from '../test/support/images/tar.js';
import { aciEnvironment } from '../test/support/process.js';
import { aciScript, projectDir } from '../test/support/project.js';
import { type AciServer, startAciServer } from '../test/support/servers/aci-server.js';
import { startRegistry, type TestRegistry } from '../test/support/servers/registry.js';
import { removeTempDirs, tempDir } from '../test/support/temp.js';

const NODE_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
const architecture = NODE_ARCHITECTURES[process.arch] ?? process.arch;

/** What a command printed on stdout, which was shown as well. */
type Aci = (args: readonly string[], options?: { readonly maxLines?: number }) => Promise<string>;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The regular files below a folder as entries below `target`. */
function filesOf(directory: string, target: string): TarEntry[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return names.flatMap((name): TarEntry[] => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) return [{ path: `${target}/${name}`, type: 'directory' }];
    if (stats?.isFile() !== true) return [];
    const facts = { mode: stats.mode & 0o777, mtime: Math.floor(stats.mtimeMs / 1000) };
    return [{ path: `${target}/${name}`, ...facts, data: readFileSync(join(directory, name)) }];
  });
}

/** Four layers: Node itself, packages, what this project is built to, and a small change on top. */
function buildNodeImage(): DockerImage {
  const packages = ['undici', 'piscina', 'openpgp', 'hash-wasm', 'clipanion', 'tar-stream'];
  return buildDockerImage({
    architecture,
    gzipLevel: 1,
    layers: [
      [{ path: 'usr/local/bin/node', mode: 0o755, data: readFileSync(process.execPath) }],
      packages.flatMap((name) => filesOf(join(projectDir, 'node_modules', name), `app/node_modules/${name}`)),
      filesOf(join(projectDir, 'dist', 'src'), 'app/dist'),
      [
        { path: 'app/README', data: 'Made by the demo.\n' },
        { path: 'app/node_modules/undici/.wh.README.md', data: '' },
      ],
    ],
    config: {
      Entrypoint: ['/usr/local/bin/node'],
      Cmd: ['/app/dist/cli/main.js'],
      Env: ['PATH=/usr/local/bin', 'NODE_ENV=production'],
      WorkingDir: '/app',
    },
  });
}

/** Puts a signed image at /demo.aci, with the pages that let it be found by name. */
async function putDemoAci(server: AciServer): Promise<void> {
  const name = 'example.test/demo';
  const aci = buildAci({
    name,
    labels: { version: '1.0.0', os: 'linux', arch: architecture },
    entries: filesOf(join(projectDir, 'src'), 'usr/src'),
    gzip: true,
  });
  const key = await createSigningKey();
  server.putAci('/demo.aci', aci, { signature: await key.sign(aci) });
  const keys = [server.putKey('/pubkeys.asc', key.publicKey)];
  server.putDiscovery('/demo', [{ prefix: name, templates: [`${server.url}/demo.{ext}`], keys }]);
}

/** Runs the command line as a user would; an exit code other than 0 is an error. */
function aciIn(environment: Readonly<Record<string, string>>): Aci {
  return async (args, { maxLines = Number.POSITIVE_INFINITY } = {}) => {
    say(`\n$ aci ${args.join(' ')}`);
    const startedAt = performance.now();
    const child = spawn(process.execPath, [aciScript, ...args], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [code] = (await once(child, 'close')) as [number | null];
    const stdout = Buffer.concat(chunks).toString();
    const lines = stdout.split(/(?<=\n)/);
    const shown = lines.slice(0, maxLines);
    process.stdout.write(shown.join(''));
    if (shown.length < lines.length) say(`... (${lines.length - shown.length} more lines)`);
    if (code !== 0) throw new Error(`aci ended with exit code ${code}`);
    say(`(${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
    return stdout.trim();
  };
}

async function sha512(file: string): Promise<string> {
  const hash = createHash('sha512');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** An image by its name. The host is this machine and has no certificate, which has to be said each time. */
async function showSigned(aci: Aci, server: AciServer): Promise<void> {
  const places = [80, 443].flatMap((port) => ['--resolve', `example.test:${port}:127.0.0.1:${server.port}`]);
  const options = ['--insecure-options=http', ...places];
  say('\n-- An App Container image by its name; nobody is trusted for it yet:');
  await aci(['fetch', ...options, 'example.test/demo:1.0.0']);
  say(
    '\n-- Its publisher is trusted now (compare the fingerprint, and leave out --skip-fingerprint-review):',
  );
  const skip = ['--skip-fingerprint-review', '--insecure-allow-http'];
  await aci(['trust', ...options, ...skip, '--prefix', 'example.test/demo']);
  say('\n-- The same image is verified, without another download:');
  await aci(['fetch', ...options, 'example.test/demo:1.0.0']);
}

/** Everything that the demo shows, in order. */
async function show(aci: Aci, registry: TestRegistry, server: AciServer, exportPath: string): Promise<void> {
  const insecure = '--insecure-options=image,http';
  const image = `docker://${registry.host}/demo/node:1.0`;
  say('\n-- A Docker image, from a registry with token authentication that redirects its blobs:');
  const id = await aci(['fetch', insecure, image]);
  say('\n-- Once more; now the store has it:');
  const blobRequests = registry.requestsTo('/blobs/').length;
  const again = await aci(['fetch', insecure, image]);
  if (registry.requestsTo('/blobs/').length > blobRequests)
    throw new Error('the second fetch asked for blobs');
  if (again !== id) throw new Error(`the second fetch printed another ID: ${again}`);
  await showSigned(aci, server);
  say('\n-- What is in the store:');
  await aci(['image', 'list']);
  await aci(['image', 'cat-manifest', '--pretty-print', id], { maxLines: 16 });
  await aci(['image', 'export', id, exportPath]);
  const digest = `sha512-${await sha512(exportPath)}`;
  if (!digest.startsWith(id)) throw new Error(`the exported file has ${digest}, the printed ID is ${id}`);
  say(`The SHA-512 of the exported file is the printed ID: ${digest.slice(0, 39)}...`);
}

async function main(): Promise<void> {
  const home = tempDir('acifetch-demo-');
  say('Building a Docker image from Node and this project ...');
  const image = buildNodeImage();
  const wireBytes = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  say(`... ${image.layers.length} layers, ${Math.round(wireBytes / 1e6)} MB compressed.`);
  const registry = await startRegistry({ auth: 'token', blobRedirect: true });
  const server = await startAciServer();
  try {
    registry.push('demo/node', '1.0', image);
    await putDemoAci(server);
    const dir = join(home, 'store');
    const environment = { ...aciEnvironment({ home, dir }), TERM: process.env['TERM'] ?? 'dumb' };
    say(`Registry ${registry.url}, ACI server ${server.url}, store ${dir}.`);
    await show(aciIn(environment), registry, server, join(home, 'node.aci'));
  } finally {
    await Promise.all([registry.close(), server.close()]);
  }
}

// The folders are removed on exit, which a signal alone is not.
process.once('SIGINT', () => process.exit(130));

try {
  await main();
  say('\nAll of it worked. What next:');
  say('  node dist/src/cli/main.js help                     every command');
  say('  node dist/src/cli/main.js fetch --help             the options of fetch');
  say('  npm link                                           puts `aci` on the PATH');
  say('  examples/demo.ts                                   how the demo is made');
} catch (error) {
  say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  removeTempDirs();
}
