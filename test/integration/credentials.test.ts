/** Credentials of the command line, from files to servers with TLS: who is let in, who sees nothing, what is told. */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Certificate, createCertificate } from '../support/certificates.js';
import { startDockerRegistry } from '../support/docker-registry.js';
import { buildAci } from '../support/images/aci.js';
import { buildDockerImage } from '../support/images/docker.js';
import { writeOciLayout } from '../support/images/oci-layout.js';
import { type RunResult, runAci } from '../support/process.js';
import { startAciServer } from '../support/servers/aci-server.js';
import { type RegistryOptions, startRegistry, type TestRegistry } from '../support/servers/registry.js';
import { pushLayout } from '../support/skopeo.js';
import { tempDir } from '../support/temp.js';
import { requireTools } from '../support/tools.js';

const PASSWORD = 'hunter2';
const BASIC = Buffer.from(`user:${PASSWORD}`).toString('base64');
const IMAGE = buildDockerImage({
  layers: [[{ path: 'a', size: 200_000 }], [{ path: 'b', data: 'b' }]],
  mediaTypes: 'oci',
});

let certificate: Certificate;
beforeAll(async () => {
  certificate = await createCertificate();
});

/** A file of a new home; `config/aci` in it is the folder of the user. */
function homeWith(files: Readonly<Record<string, object>>): string {
  const home = tempDir();
  for (const [name, content] of Object.entries(files)) {
    const path = join(home, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  }
  return home;
}

const dockerAuth = (registry: string, password = PASSWORD) => ({
  'config/aci/auth.d/registry.json': {
    rktKind: 'dockerAuth',
    rktVersion: 'v1',
    registries: [registry],
    credentials: { user: 'user', password },
  },
});

async function fetchAt(home: string, image: string, args: readonly string[] = []): Promise<RunResult> {
  const env = { NODE_EXTRA_CA_CERTS: certificate.certPath };
  const options = ['--insecure-options=image,http', '--debug', '--progress=json'];
  const result = await runAci(['fetch', ...options, ...args, image], { home, env });
  const said = result.stdout + result.stderr;
  for (const secret of [PASSWORD, BASIC]) expect(said).not.toContain(secret);
  return result;
}

async function startGuarded(options: RegistryOptions): Promise<TestRegistry> {
  const credentials = { username: 'user', password: PASSWORD };
  const registry = await startRegistry({ tls: certificate, credentials, ...options });
  onTestFinished(async () => {
    expect(registry.violations).toEqual([]);
    expect(registry.cdn?.violations ?? []).toEqual([]);
    await registry.close();
  });
  registry.push('team/app', '1.0', IMAGE);
  return registry;
}

const named = ({ host }: { host: string }): string => `docker://${host}/team/app:1.0`;

describe('a registry that wants credentials', () => {
  it.each<[string, RegistryOptions]>([
    ['tokens, and sends blobs elsewhere', { auth: 'token', blobRedirect: true }],
    ['tokens that soon expire', { auth: 'token', tokenTtlRequests: 2 }],
    ['Basic', { auth: 'basic' }],
    ['Basic, and sends blobs elsewhere', { auth: 'basic', blobRedirect: true }],
  ])('by %s gets those of auth.d', async (_title, options) => {
    const registry = await startGuarded(options);
    const result = await fetchAt(homeWith(dockerAuth(registry.host)), named(registry));
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sha512-/) });
  });

  it('gets those of docker login', async () => {
    const registry = await startGuarded({ auth: 'token' });
    const home = homeWith({ '.docker/config.json': { auths: { [registry.host]: { auth: BASIC } } } });
    expect((await fetchAt(home, named(registry))).code).toBe(0);
    chmodSync(join(home, '.docker/config.json'), 0o644);
    const warned = await fetchAt(home, named(registry), ['--no-store']);
    expect(warned.stderr).toContain('.docker/config.json: other users can read these credentials');
  });

  it('refuses others, with the code 5 and a hint', async () => {
    const registry = await startGuarded({ auth: 'basic' });
    const wrong = await fetchAt(homeWith(dockerAuth(registry.host, 'wrong')), named(registry));
    expect(wrong).toMatchObject({ code: 5, stdout: '' });
    expect(wrong.stderr).toContain('aci/auth.d/registry.json');
    const none = await fetchAt(homeWith(dockerAuth('other.test')), named(registry));
    expect(none).toMatchObject({ code: 5, stderr: expect.stringContaining('dockerAuth') });
  });

  it('gets none over plain HTTP', async () => {
    const registry = await startGuarded({ auth: 'basic', tls: undefined });
    const result = await fetchAt(homeWith(dockerAuth(registry.host)), named(registry));
    expect(result).toMatchObject({ code: 5, stderr: expect.stringContaining('plain HTTP') });
    expect(registry.requests.filter(({ headers }) => headers['authorization'] !== undefined)).toEqual([]);
  });

  it('is not asked where a file is malformed', async () => {
    const registry = await startGuarded({ auth: 'basic' });
    const home = homeWith({
      'config/aci/auth.d/x.json': { rktKind: 'auth', rktVersion: 'v1', type: 'basic' },
    });
    const result = await fetchAt(home, named(registry));
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('x.json: credentials ') });
    expect(registry.requests).toEqual([]);
  });
});

it('an ACI gets the credentials of its host, and a redirect to another one does not', async () => {
  const [home, away] = await Promise.all([1, 2].map(() => startAciServer({ tls: certificate })));
  if (home === undefined || away === undefined) throw new Error('no servers');
  onTestFinished(() => Promise.all([home.close(), away.close()]).then(() => undefined));
  const location = away.putAci('/there.aci', buildAci({ name: 'a.test/app', entries: [] }));
  const url = home.putAci('/app.aci', Buffer.from('not this'));
  home.setFaults([{ match: '/app.aci', fault: { kind: 'redirect', location } }]);
  const auth = {
    rktKind: 'auth',
    rktVersion: 'v1',
    domains: [home.host],
    type: 'basic',
    credentials: { user: 'user', password: PASSWORD },
  };
  const result = await fetchAt(homeWith({ 'config/aci/auth.d/a.json': auth }), url);
  expect(result.code, result.stderr).toBe(0);
  expect(home.requests.map(({ headers }) => headers['authorization'])).toEqual([`Basic ${BASIC}`]);
  expect(away.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined]);
});

describe.runIf(requireTools(['docker-registry', 'skopeo', 'openssl']))('the real registry', () => {
  /** A published example of bcrypt. */
  const PUBLISHED = { password: 'U*U', hash: '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' };

  it('with htpasswd lets the right password in and no other', async () => {
    const dir = tempDir();
    const layout = tempDir();
    await writeOciLayout(layout, [{ ref: 'app', image: IMAGE }]);
    const open = await startDockerRegistry({ dir });
    await pushLayout({ layout, ref: 'app', registryHost: open.host, target: 'team/app:1.0' });
    await open.close();
    const htpasswd = join(tempDir(), 'htpasswd');
    writeFileSync(htpasswd, `user:${PUBLISHED.hash}\n`);
    const registry = await startDockerRegistry({ dir, tls: certificate, htpasswd });
    onTestFinished(() => registry.close());
    const right = await fetchAt(homeWith(dockerAuth(registry.host, PUBLISHED.password)), named(registry));
    expect(right.code, right.stderr).toBe(0);
    const wrong = await fetchAt(homeWith(dockerAuth(registry.host, 'wrong')), named(registry));
    expect(wrong.code).toBe(5);
  });
});
