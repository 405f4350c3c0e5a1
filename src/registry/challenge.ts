/** What a registry's 401 asks for: the `WWW-Authenticate` header (RFC 9110, 11.6.1). */

export type Challenge =
  | {
      readonly scheme: 'bearer';
      /** Where tokens are to be had. Not checked here. */
      readonly realm: string;
      readonly service?: string | undefined;
      readonly scope?: string | undefined;
      /** Why what was shown does not do (RFC 6750, 3.1): `invalid_token`, `insufficient_scope`. */
      readonly error?: string | undefined;
    }
  | { readonly scheme: 'basic'; readonly realm?: string | undefined };

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/.source;
/** One parameter, with its value quoted or not; then a comma or the end. */
const PARAMETER = new RegExp(
  `\\s*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s",]*))\\s*(?:,|$)`,
  'y',
);
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})(?:\\s+|\\s*,|\\s*$)`, 'y');

/**
 * The challenge to answer: the first Bearer one with a realm, otherwise Basic, otherwise undefined. The header
 * may hold several challenges, and what cannot be read is skipped.
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const challenges = splitChallenges(header ?? '');
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get('realm');
    if (scheme !== 'bearer' || realm === undefined || realm === '') continue;
    const [service, scope, error] = ['service', 'scope', 'error'].map((name) => parameters.get(name));
    return { scheme, realm, service, scope, error };
  }
  const basic = challenges.find(({ scheme }) => scheme === 'basic');
  return basic === undefined ? undefined : { scheme: 'basic', realm: basic.parameters.get('realm') };
}

interface RawChallenge {
  readonly scheme: string;
  readonly parameters: Map<string, string>;
}

function splitChallenges(header: string): RawChallenge[] {
  const challenges: RawChallenge[] = [];
  for (let position = 0; position < header.length; ) {
    const parameter = matchAt(PARAMETER, header, position);
    const last = challenges.at(-1);
    if (parameter !== undefined && last !== undefined) {
      const [text, name = '', quoted, bare = ''] = parameter;
      last.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare);
      position += text.length;
      continue;
    }
    const scheme = matchAt(SCHEME, header, position);
    if (scheme !== undefined) {
      challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters: new Map() });
      position += scheme[0].length;
      continue;
    }
    const comma = header.indexOf(',', position);
    position = comma === -1 ? header.length : comma + 1;
  }
  return challenges;
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | undefined {
  pattern.lastIndex = position;
  return pattern.exec(text) ?? undefined;
}
