/** The argument of `--resolve`. */

import { isIP, isIPv6 } from 'node:net';
import type { ResolveOverride } from '../types.js';
import { usageError } from './argument.js';

const OVERRIDE = /^(\[[^\]]*\]|[^:[\]]+):(\d{1,5}):(\[[^\]]*\]|[^:[\]]+)(?::(\d{1,5}))?$/;
const HOST = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/**
 * `HOST:PORT:ADDR[:PORT]`, the second port being the first where absent. ADDR is an IP address; IPv6 addresses
 * stand in brackets and come out without them. Throws ERR_USAGE.
 */
export function parseResolve(text: string): ResolveOverride {
  const [, hostText = '', portText = '', addressText = '', addressPortText] = OVERRIDE.exec(text) ?? [];
  const host = unbracketed(hostText.toLowerCase());
  const address = unbracketed(addressText);
  const port = Number(portText);
  const addressPort = addressPortText === undefined ? port : Number(addressPortText);
  const hostIsValid = hostText.startsWith('[') ? isIPv6(host) : HOST.test(host);
  const addressIsValid = addressText.startsWith('[') ? isIPv6(address) : isIP(address) === 4;
  if (!hostIsValid || !addressIsValid || !isPort(port) || !isPort(addressPort)) {
    throw usageError(
      text,
      'is not HOST:PORT:ADDR[:PORT]',
      'ADDR is an IP address, an IPv6 one in brackets: example.com:443:127.0.0.1:8443',
    );
  }
  return { host, port, address, addressPort };
}

function unbracketed(text: string): string {
  return text.startsWith('[') ? text.slice(1, -1) : text;
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535;
}
