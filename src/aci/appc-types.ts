/** The value formats of the appc specification (types.md, aci.md) as predicates. */

/** Whether `text` may name a mount point or a port; loose about `--`, as rkt is. */
export function isAcName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}

/** Whether `text` may name an environment variable (aci.md, `environment`). */
export function isEnvironmentName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(text);
}

const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

/** Whether `text` is a version of Semantic Versioning 2.0.0; 0.0.0 stands for none and is not one. */
export function isAcVersion(text: string): boolean {
  return SEMVER.test(text) && text !== '0.0.0';
}

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[+-](\d\d):(\d\d))$/;

/** Whether `text` is a date and time of RFC 3339, 5.6, with `T` and `Z` in upper case. */
export function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (match === null) return false;
  const numbers = match.slice(1).map((part: string | undefined) => Number(part ?? 0));
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zoneHour = 0, zoneMinute = 0] =
    numbers;
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return false;
  return hour < 24 && minute < 60 && second < 60 && zoneHour < 24 && zoneMinute < 60;
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** The values of the label `arch` that go with each value of the label `os` (schema/types/labels.go, 0.8.11). */
const ARCHS_OF_OS: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'linux',
    ['amd64', 'i386', 'aarch64', 'aarch64_be', 'armv6l', 'armv7l', 'armv7b', 'ppc64', 'ppc64le', 's390x'],
  ],
  ['freebsd', ['amd64', 'i386', 'arm']],
  ['darwin', ['x86_64', 'i386']],
]);

/** What is wrong with these values of `os` and `arch` together; `arch` has a meaning only with an `os`. */
export function osArchProblem(os: string | undefined, arch: string | undefined): string | undefined {
  if (os === undefined) return undefined;
  const archs = ARCHS_OF_OS.get(os);
  if (archs === undefined) return `"os" must be one of ${[...ARCHS_OF_OS.keys()].join(', ')}`;
  if (arch === undefined || archs.includes(arch)) return undefined;
  return `"arch" must be one of ${archs.join(', ')} with "os" ${os}`;
}
