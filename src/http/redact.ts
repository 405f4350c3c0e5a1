/** URLs as messages, events and logs may show them. */

/** Query keys of the protocols themselves; whatever else is in a query may be a signature or a token. */
const HARMLESS_KEYS: ReadonlySet<string> = new Set(['ac-discovery', 'service', 'scope', 'ns']);

/**
 * The URL without user-info and fragment, every query value outside a short allowlist being `REDACTED`. Text
 * that is no URL is cut off where a query would begin.
 */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return text.replace(/\/\/[^/?#]*@/, '//').replace(/[?#].*$/s, '');
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.hash = '';
  for (const key of new Set(url.searchParams.keys())) {
    if (!HARMLESS_KEYS.has(key)) url.searchParams.set(key, 'REDACTED');
  }
  return url.href;
}
