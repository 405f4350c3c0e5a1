/** What image configs say that ACIs have no field for, as texts for annotations: stop signal, health check, history. */

import {
  fieldAt,
  flagOf,
  isPresent,
  itemsOf,
  type JsonField,
  textOrEmpty,
  textsOf,
  wholeNumberOf,
} from '../aci/json-fields.js';
import { goJson } from '../aci/manifest-json.js';

/** The ACI manifest, of which readers take 4 MiB, must not become unreadable for the sake of a note. */
const MAX_HISTORY_BYTES = 1024 * 1024;

/** Annotations by name, an empty value where the image says nothing. Throws as the fields do. */
export function dockerExtrasOf(root: JsonField, runtime: JsonField): readonly (readonly [string, string])[] {
  const inRuntime = (read: (field: JsonField) => string, key: string) =>
    isPresent(runtime) ? read(fieldAt(runtime, key)) : '';
  return [
    ['appc.io/docker/stopsignal', inRuntime(textOrEmpty, 'StopSignal')],
    ['appc.io/docker/healthcheck', inRuntime(healthCheckText, 'Healthcheck')],
    ['appc.io/docker/history', historyText(fieldAt(root, 'history'))],
  ];
}

const HEALTH_NUMBERS = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

/** The fields of Docker's HealthConfig in their order, as it leaves out those that are empty. */
function healthCheckText(check: JsonField): string {
  if (!isPresent(check)) return '';
  const test = textsOf(fieldAt(check, 'Test'));
  const numbers = HEALTH_NUMBERS.map((key): [string, number] => {
    const field = fieldAt(check, key);
    return [key, isPresent(field) ? wholeNumberOf(field, 0, Number.MAX_SAFE_INTEGER) : 0];
  }).filter(([, value]) => value !== 0);
  if (test.length === 0 && numbers.length === 0) return '';
  return goJson({ ...(test.length > 0 && { Test: test }), ...Object.fromEntries(numbers) });
}

const HISTORY_TEXTS = ['created', 'created_by', 'author', 'comment'] as const;

/** The entries with the fields of the OCI image specification (config.md) in its order; whole or not at all. */
function historyText(history: JsonField): string {
  const entries = itemsOf(history).map((entry) => {
    const texts = HISTORY_TEXTS.map((key) => [key, textOrEmpty(fieldAt(entry, key))] as const);
    const present = Object.fromEntries(texts.filter(([, text]) => text !== ''));
    return { ...present, ...(flagOf(fieldAt(entry, 'empty_layer')) && { empty_layer: true }) };
  });
  if (entries.length === 0) return '';
  const text = goJson(entries);
  return Buffer.byteLength(text) > MAX_HISTORY_BYTES ? '' : text;
}
