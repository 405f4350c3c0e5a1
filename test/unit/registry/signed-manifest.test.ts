/** What was signed in a manifest of schema 1. */

import { describe, expect, it } from 'vitest';
import { signedContent } from '../../../src/registry/signed-manifest.js';
import { buildDockerImage } from '../../support/images/docker.js';
import { schema1Of, signatureOf, signed, withSignatures } from '../../support/images/schema1.js';
import { manifestText } from './images.js';

const unsigned = schema1Of(buildDockerImage({ layers: [[{ path: 'a' }]] }));
const payload = Buffer.from(unsigned.manifestBytes);
const base64Url = (text: string) => Buffer.from(text).toString('base64url');
/** The document with one signature whose protected header has other members. */
const protecting = (members: Readonly<Record<string, unknown>>) =>
  withSignatures(payload, [signatureOf(payload, members)]);

describe('the content of a manifest', () => {
  it.each([1, 3])('is what was signed, by %i', (signatures) => {
    const { manifestBytes } = signed(unsigned, signatures);
    expect(Buffer.from(manifestBytes)).not.toEqual(payload);
    expect(signedContent(Buffer.from(manifestBytes)).toString()).toBe(payload.toString());
  });

  it('is what was signed in a document without spaces as well', () => {
    const compact = Buffer.from(JSON.stringify(JSON.parse(payload.toString())));
    const document = `${compact.toString().slice(0, -1)},"signatures":[${JSON.stringify(signatureOf(compact))}]}`;
    expect(signedContent(Buffer.from(document)).toString()).toBe(compact.toString());
  });

  it.each([
    ['a manifest without signatures', payload],
    ['a manifest whose signatures are null', Buffer.from('{"schemaVersion":1,"signatures":null}')],
    ['a manifest of another schema', Buffer.from(manifestText({ signatures: [] }))],
    ['no JSON', Buffer.from('<"signatures">')],
    ['no object', Buffer.from('["signatures"]')],
  ])('is the document itself where it is %s', (_, document) => {
    expect(signedContent(document)).toBe(document);
  });

  it.each<[string, Buffer]>([
    ['no array of signatures', Buffer.from('{"schemaVersion":1,"signatures":{}}')],
    ['an empty array of them', Buffer.from('{"schemaVersion":1,"signatures":[]}')],
    ['a signature that is no object', withSignatures(payload, ['x'])],
    ['no protected header', withSignatures(payload, [{ signature: 'x' }])],
    ['one that is not base64url', withSignatures(payload, [{ protected: '{}' }])],
    ['one that is not JSON', withSignatures(payload, [{ protected: base64Url('{') }])],
    ['no length', protecting({ formatLength: undefined })],
    ['a length that is no number', protecting({ formatLength: '9' })],
    ['a negative length', protecting({ formatLength: -1 })],
    ['a length beyond the end', protecting({ formatLength: 2 ** 40 })],
    ['a length that ends before what was signed', protecting({ formatLength: payload.length - 20 })],
    ['a length that leaves all out', protecting({ formatLength: 1 })],
    ['no tail', protecting({ formatTail: undefined })],
    ['an empty tail', protecting({ formatTail: '' })],
    ['a tail with a member in it', protecting({ formatTail: base64Url(', "tag": "x"}') })],
    ['a tail that ends nothing', protecting({ formatTail: base64Url(' ') })],
    [
      'signatures of two documents',
      withSignatures(payload, [signatureOf(payload), signatureOf(payload, { formatTail: base64Url(' }') })]),
    ],
    [
      'a member that was not signed',
      Buffer.from(
        withSignatures(payload, [signatureOf(payload)])
          .toString()
          .replace(/}$/, ', "tag": "x"}'),
      ),
    ],
  ])('is refused where there is %s', (_, document) => {
    expect(() => signedContent(document)).toThrow(
      expect.objectContaining({ code: 'ERR_MANIFEST_INVALID', stage: 'resolve' }),
    );
  });
});
