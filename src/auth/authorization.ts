/** The headers that show a credential to a server. */

import { assertNever } from '../errors.js';
import type { AwsCredential, BasicCredential, Credential } from './credentials.js';

export interface SignedRequest {
  readonly method: string;
  /** Absolute, exactly as it is requested. */
  readonly url: string;
  readonly nowMs: number;
}

/**
 * Headers for one request, to be made anew for every one: a signature holds for its URL and for some minutes. None
 * for a URL that is not https.
 */
export async function authorizationHeaders(
  credential: Credential,
  request: SignedRequest,
): Promise<Readonly<Record<string, string>>> {
  if (new URL(request.url).protocol !== 'https:') return {};
  switch (credential.kind) {
    case 'basic':
      return { authorization: basicAuthorization(credential) };
    case 'bearer':
      return { authorization: `Bearer ${credential.token}` };
    case 'aws':
      return awsHeaders(credential, request);
    default:
      return assertNever(credential);
  }
}

export function basicAuthorization({ user, password }: Omit<BasicCredential, 'kind'>): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

/** AWS Signature Version 4 for S3; `Range` and other headers may be added afterwards, for they are not signed. */
async function awsHeaders(credential: AwsCredential, { method, url, nowMs }: SignedRequest) {
  const { default: aws4 } = await import('aws4');
  const { accessKeyId, secretAccessKey, sessionToken } = credential;
  const { host, hostname, pathname, search } = new URL(url);
  const signed = aws4.sign(
    {
      service: 's3',
      region: credential.region ?? guessAwsRegion(hostname),
      method,
      path: pathname + search,
      headers: { Host: host, 'X-Amz-Date': awsDate(nowMs) },
    },
    { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  );
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(signed.headers ?? {})) {
    if (name !== 'Host' && value !== undefined) headers[name.toLowerCase()] = String(value);
  }
  return headers;
}

function awsDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[:-]|\.\d{3}/g, '');
}

const DEFAULT_AWS_REGION = 'us-east-1';
const S3_HOST = /(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2,}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/;

/** The region that the name of an S3 host holds (`s3-REGION`, `s3.REGION`), otherwise us-east-1, as rkt has it. */
export function guessAwsRegion(hostname: string): string {
  return S3_HOST.exec(hostname.toLowerCase())?.[1] ?? DEFAULT_AWS_REGION;
}
