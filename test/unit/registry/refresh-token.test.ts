/** Refresh tokens against real token services. */

import { describe, expect, it } from 'vitest';
import type { RegistryCredential } from '../../../src/auth/credentials.js';
import { type Handler, makeCertificate, QUIET, startServer, textOf } from '../http/server.js';
import { manifestText } from './images.js';
import {
  AMD64,
  failure,
  lookup,
  secureRegistryAt,
  sendToken,
  serve,
  shown,
  withTokens,
} from './registries.js';

const CERTIFICATE = makeCertificate('reg.test');
const MANIFEST = serve({ 'team/app/manifests/v1': manifestText() });

const secure = (handler: Handler) => startServer(handler, CERTIFICATE);

describe('a refresh token', () => {
  const identity = (user: string): RegistryCredential => ({
    kind: 'identity',
    refreshToken: 'REFRESH',
    user,
  });

  async function resolveWith(credential: RegistryCredential, answer: Handler) {
    const forms: (readonly [string | undefined, string])[] = [];
    const tokens = await secure((request, response) => {
      if (request.method === 'POST') void textOf(request).then((text) => forms.push([request.url, text]));
      request.on('end', () => answer(request, response)).resume();
    });
    const server = await secure(withTokens(MANIFEST, () => tokens.origin));
    const registry = secureRegistryAt(server, { credential: lookup(credential) });
    return { work: registry.resolve(AMD64, QUIET), registry, forms, tokens };
  }

  it('is posted for a token, and gives way to a newer one', async () => {
    const answers = ['{"access_token":"good","refresh_token":"NEWER"}', '{"access_token":"good"}'];
    const { work, registry, forms, tokens } = await resolveWith(
      identity(''),
      (_request, response) => void response.end(answers.shift()),
    );
    await work;
    await registry.refreshAuthorization(QUIET);
    const form = (refreshToken: string) => ({
      grant_type: 'refresh_token',
      service: 'reg',
      scope: 'repository:team/app:pull',
      client_id: 'acifetch',
      refresh_token: refreshToken,
    });
    expect(forms.map(([, text]) => Object.fromEntries(new URLSearchParams(text)))).toEqual([
      form('REFRESH'),
      form('NEWER'),
    ]);
    expect(forms[0]?.[0]).toBe('/token?x=1');
    expect(shown(tokens)).toEqual([undefined, undefined]);
  });

  it.each([404, 405])('is a password where the service answers %i to a POST', async (status) => {
    const { work, tokens } = await resolveWith(identity('me'), (request, response) => {
      if (request.method === 'POST') response.writeHead(status).end();
      else sendToken(request, response);
    });
    await work;
    expect(shown(tokens)).toEqual([undefined, `Basic ${Buffer.from('me:REFRESH').toString('base64')}`]);
  });

  it.each([
    [400, 'ERR_AUTH'],
    [401, 'ERR_AUTH'],
    [404, 'ERR_NOT_FOUND'],
    [307, 'ERR_HTTP_STATUS'],
  ])('that is answered with %i, without a user, is %s', async (status, code) => {
    const { work, tokens } = await resolveWith(identity(''), (_request, response) => {
      response.writeHead(status, { location: 'https://127.0.0.1:1/' }).end();
    });
    expect((await failure(work)).code).toBe(code);
    expect(tokens.requests).toHaveLength(1);
  });
});
