import { describe, expect, it } from 'vitest';
import { checkUrl, renderTemplate, type UrlPolicy } from '../../../src/discovery/template.js';

const HTTPS: UrlPolicy = { insecureHttp: false };
const IMAGE = {
  name: 'example.com/team/app',
  labels: { version: '1.0.0', os: 'linux', arch: 'amd64' },
};
const labelled = (labels: Record<string, string>) => ({
  ...IMAGE,
  labels: { ...IMAGE.labels, ...labels },
});

describe('a template', () => {
  it('is rendered as the example of the specification', () => {
    const template = 'https://storage.example.com/{os}/{arch}/{name}-{version}.{ext}';
    const image = { ...IMAGE, name: 'example.com/reduce-worker' };
    const base = 'https://storage.example.com/linux/amd64/example.com/reduce-worker-1.0.0';
    expect(renderTemplate(template, image, 'aci', HTTPS)).toEqual({ url: `${base}.aci` });
    expect(renderTemplate(template, image, 'aci.asc', HTTPS)).toEqual({ url: `${base}.aci.asc` });
  });

  it.each([
    ['https://{name}-{version}.{ext}', 'https://example.com/team/app-1.0.0.aci'],
    ['https://h/{version}/{version}.{ext}', 'https://h/1.0.0/1.0.0.aci'],
    ['https://h/x?n={name}&e={ext}', 'https://h/x?n=example.com/team/app&e=aci'],
    ['https://h:8443/x.{ext}', 'https://h:8443/x.aci'],
    ['https://h/x.{ext}#part', 'https://h/x.aci'],
    ['HTTPS://H/x.{ext}', 'https://h/x.aci'],
  ])('%s gives %s', (template, url) => {
    expect(renderTemplate(template, IMAGE, 'aci', HTTPS)).toEqual({ url });
  });

  it.each([
    ['feature/x', 'https://h/feature%2Fx.aci'],
    ['1.0.0+b 1', 'https://h/1.0.0%2Bb%201.aci'],
    ['a?b#c&d=e', 'https://h/a%3Fb%23c%26d%3De.aci'],
    ['100%', 'https://h/100%25.aci'],
    ['%2e%2e', 'https://h/%252e%252e.aci'],
    ['{os}', 'https://h/%7Bos%7D.aci'],
    ['$&', 'https://h/%24%26.aci'],
    ['..', 'https://h/...aci'],
    ['\\x', 'https://h/%5Cx.aci'],
    ['é', 'https://h/%C3%A9.aci'],
    ['\uD800', 'https://h/%EF%BF%BD.aci'],
  ])('holds the version %j in its place', (version, url) => {
    expect(renderTemplate('https://h/{version}.{ext}', labelled({ version }), 'aci', HTTPS)).toEqual({ url });
  });

  it('takes any label by its name, but none in place of its own', () => {
    const image = labelled({ channel: 'alpha', 'coreos.com/x': 'y', ext: 'exe', name: 'evil' });
    expect(renderTemplate('https://h/{channel}/{coreos.com/x}/{name}.{ext}', image, 'aci', HTTPS)).toEqual({
      url: 'https://h/alpha/y/example.com/team/app.aci',
    });
  });

  it.each([
    ['https://h/{channel}.{ext}', {}, 'label'],
    ['https://h/{}.{ext}', {}, 'label'],
    ['https://h/{toString}.{ext}', {}, 'label'],
    ['https://h/{__proto__}.{ext}', {}, 'label'],
    ['https://h/{Version}.{ext}', {}, 'label'],
    ['http://h/x.{ext}', {}, 'http'],
    ['https://h/{version}.aci', {}, 'malformed'],
    ['https://h/{version.{ext}', {}, 'malformed'],
    ['https://h/version}.{ext}', {}, 'malformed'],
    ['hdfs://h/x.{ext}', {}, 'malformed'],
    ['file:///etc/x.{ext}', {}, 'malformed'],
    ['javascript:x.{ext}', {}, 'malformed'],
    ['//h/x.{ext}', {}, 'malformed'],
    ['x.{ext}', {}, 'malformed'],
    ['https://user:secret@h/x.{ext}', {}, 'malformed'],
    ['https://user@h/x.{ext}', {}, 'malformed'],
    ['https:///x y.{ext}', {}, 'malformed'],
    ['https://h/a/../x.{ext}', {}, 'malformed'],
    ['https://h/{version}/x.{ext}', { version: '..' }, 'malformed'],
    ['https://h/{version}\\x.{ext}', { version: '..' }, 'malformed'],
    ['https://h/{version}?{ext}', { version: '.' }, 'malformed'],
    ['https://h/%2e{version}/x.{ext}', { version: '.' }, 'malformed'],
    ['https://{version}.h/x.{ext}', { version: 'evil.test/' }, 'malformed'],
    ['https://{version}.h/x.{ext}', { version: 'evil.test?' }, 'malformed'],
    ['https://{version}.h/x.{ext}', { version: 'evil@' }, 'malformed'],
    ['https://h{version}/x.{ext}', { version: '@evil.test' }, 'malformed'],
    ['https://h{version}.{ext}', { version: ':1' }, 'malformed'],
    [`https://h/${'x'.repeat(9000)}.{ext}`, {}, 'malformed'],
    [`https://h/${'{version}'.repeat(800)}.{ext}`, { version: 'v'.repeat(100_000) }, 'malformed'],
  ])('%.40s with %.40j is skipped (%s)', (template, labels, skipped) => {
    expect(renderTemplate(template, labelled(labels), 'aci', HTTPS)).toMatchObject({ skipped });
  });

  it('may be plain HTTP where that is allowed', () => {
    expect(renderTemplate('http://h/x.{ext}', IMAGE, 'aci', { insecureHttp: true })).toEqual({
      url: 'http://h/x.aci',
    });
  });
});

it.each([
  ['https://h/keys.gpg', false, { url: 'https://h/keys.gpg' }],
  ['https://h/keys.gpg?x=/../y', false, { url: 'https://h/keys.gpg?x=/../y' }],
  ['http://h/keys.gpg', true, { url: 'http://h/keys.gpg' }],
  ['http://h/keys.gpg', false, { skipped: 'http' }],
  ['/keys.gpg', true, { skipped: 'malformed' }],
  ['https://h/{name}.gpg', false, { skipped: 'malformed' }],
])('the URL of a key %s (plain HTTP: %s) gives %j', (text, insecureHttp, expected) => {
  expect(checkUrl(text, { insecureHttp })).toMatchObject(expected);
});
