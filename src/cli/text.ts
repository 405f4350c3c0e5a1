/** What may be printed: text of one line, without control characters and without secrets. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** The text on one line; names and messages from remote servers must not steer a terminal. */
export function oneLine(text: string): string {
  return text.replace(CONTROL, ' ').trim();
}

// What JSON lets stand in a string as it is, but a terminal may obey or a reader take for the end of a line.
const CONTROL_IN_JSON = /[\u007f-\u009f\u2028\u2029]/g;

/** A value as JSON on one line, or indented; what every command and reporter writes as JSON goes through it. */
export function jsonText(value: unknown, indent?: string): string {
  return escapedJson(JSON.stringify(value, null, indent));
}

/** The same JSON, with its control characters escaped. */
export function escapedJson(json: string): string {
  return json.replace(CONTROL_IN_JSON, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// No pattern may look for its end from many beginnings in one run of characters: texts are remote, and can be long.
// `@sha256:` after a repository is a digest and no user-info.
const USER_INFO = /:\/\/[^\s/?#"']*@(?!sha\d+:)/g;
const URLS = /\bhttps?:\/\/[^\s"'<>]*/gi;
const QUERY = /[?#].*$/s;
const AUTHORIZATION = /\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi;

/**
 * The text without user-info and queries of its URLs and without authorization values. Errors are made
 * without secrets; this is the second fence, for arguments as the user gave them and for causes of other origin.
 */
export function redact(text: string): string {
  return text
    .replace(USER_INFO, '://REDACTED@')
    .replace(URLS, (url) => url.replace(QUERY, ''))
    .replace(AUTHORIZATION, '$1 REDACTED');
}

/** Both: what every line on stderr goes through. */
export function printable(text: string): string {
  return oneLine(redact(text));
}
