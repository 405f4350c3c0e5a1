/** The headers of credentials, against the published examples of the standards. */

import { describe, expect, it, test } from 'vitest';
import { authorizationHeaders, basicAuthorization, guessAwsRegion } from '../../../src/auth/authorization.js';
import type { AwsCredential } from '../../../src/auth/credentials.js';

const AT_MS = Date.UTC(2013, 4, 24);
const URL_A = 'https://a.test/x.aci';

/** Key, bucket and time of the examples in Amazon's documentation of Signature Version 4 for S3. */
const EXAMPLE: AwsCredential = {
  kind: 'aws',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const BUCKET = 'https://examplebucket.s3.amazonaws.com';

describe('authorizationHeaders', () => {
  it('shows user and password as RFC 7617 has it, in UTF-8', async () => {
    const headers = await authorizationHeaders(
      { kind: 'basic', user: 'Aladdin', password: 'open sesame' },
      { method: 'GET', url: URL_A, nowMs: AT_MS },
    );
    expect(headers).toEqual({ authorization: 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==' });
    expect(basicAuthorization({ user: 'test', password: '123£' })).toBe('Basic dGVzdDoxMjPCow==');
  });

  it('shows a token as RFC 6750 has it', async () => {
    const headers = await authorizationHeaders(
      { kind: 'bearer', token: 'mF_9.B5f-4.1JqM' },
      { method: 'GET', url: URL_A, nowMs: AT_MS },
    );
    expect(headers).toEqual({ authorization: 'Bearer mF_9.B5f-4.1JqM' });
  });

  it.each([
    ['/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ])('signs GET %s as the published example has it', async (path, signature) => {
    const headers = await authorizationHeaders(EXAMPLE, { method: 'GET', url: BUCKET + path, nowMs: AT_MS });
    expect(headers).toEqual({
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
        `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
      'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'x-amz-date': '20130524T000000Z',
    });
  });

  it('signs the region given, the port, and the token of temporary credentials', async () => {
    const sign = (credential: AwsCredential, url: string) =>
      authorizationHeaders(credential, { method: 'GET', url, nowMs: AT_MS });
    const temporary = await sign({ ...EXAMPLE, region: 'eu-west-3', sessionToken: 'TOKEN' }, `${BUCKET}/x`);
    expect(temporary['authorization']).toContain('/eu-west-3/s3/aws4_request');
    expect(temporary['authorization']).toContain('x-amz-security-token');
    expect(temporary['x-amz-security-token']).toBe('TOKEN');
    const [plain, withPort] = [await sign(EXAMPLE, `${BUCKET}/x`), await sign(EXAMPLE, `${BUCKET}:8443/x`)];
    expect(plain['authorization']).not.toBe(withPort['authorization']);
  });

  it.each([
    { kind: 'basic', user: 'u', password: 'p' } as const,
    { kind: 'bearer', token: 't' } as const,
    EXAMPLE,
  ])('shows nothing over plain HTTP: $kind', async (credential) => {
    const request = { method: 'GET', url: 'http://a.test/', nowMs: AT_MS };
    expect(await authorizationHeaders(credential, request)).toEqual({});
  });
});

test.each([
  ['bucket.s3.amazonaws.com', 'us-east-1'],
  ['s3.amazonaws.com', 'us-east-1'],
  ['s3-external-1.amazonaws.com', 'us-east-1'],
  ['bucket.s3-eu-west-1.amazonaws.com', 'eu-west-1'],
  ['s3-ap-northeast-1.amazonaws.com', 'ap-northeast-1'],
  ['bucket.S3.EU-Central-1.amazonaws.com', 'eu-central-1'],
  ['s3.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['bucket.s3.dualstack.sa-east-1.amazonaws.com', 'sa-east-1'],
  ['bucket.s3.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
  ['bucket.s3-accelerate.amazonaws.com', 'us-east-1'],
  ['s3.eu-west-1.amazonaws.com.evil.test', 'us-east-1'],
  ['example.com', 'us-east-1'],
])('the region of %s is %s', (host, region) => {
  expect(guessAwsRegion(host)).toBe(region);
});
