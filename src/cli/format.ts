/** Numbers for people: byte counts, durations, ages and tables in the formats of rkt. */

const DECIMAL_UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Three significant digits in steps of 1000, as rkt's progress has it: `3.25 MB`, `3.7 MB`, `999 B`. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  // 999.5 would be rounded to 1000 of the same unit.
  while (value >= 999.5 && unit < DECIMAL_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${Number(value.toFixed(digits))} ${DECIMAL_UNITS[unit]}`;
}

/** As `rkt image list` shows sizes, in steps of 1024: `12MiB`, `1.5GiB`, `512B`. */
export function formatSize(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1023.5 && unit < BINARY_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}${BINARY_UNITS[unit]}`;
}

/** `0.4s`, `2s`, `1m05s`, `3h07m`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, durationMs) / 1000;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${twoDigits(whole % 60)}s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}h${twoDigits(minutes % 60)}m`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const AGE_UNITS = [
  { name: 'year', ms: 365 * DAY },
  { name: 'month', ms: 30 * DAY },
  { name: 'week', ms: 7 * DAY },
  { name: 'day', ms: DAY },
  { name: 'hour', ms: HOUR },
  { name: 'minute', ms: MINUTE },
  { name: 'second', ms: SECOND },
] as const;

/** `now`, `1 second ago`, `4 minutes ago`, `2 weeks ago`; a time to come counts as now. */
export function formatAge(time: Date, now: Date): string {
  const ageMs = now.getTime() - time.getTime();
  const unit = AGE_UNITS.find(({ ms }) => ageMs >= ms);
  if (unit === undefined) return 'now';
  const count = Math.floor(ageMs / unit.ms);
  return `${count} ${unit.name}${count === 1 ? '' : 's'} ago`;
}

const TAB_WIDTH = 8;

/** Rows as lines whose columns are aligned with tabs of eight; every row has as many cells as the first. */
export function tabTable(rows: readonly (readonly string[])[]): string {
  const stops = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => Math.floor((row[column] ?? '').length / TAB_WIDTH) + 1)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        if (column === row.length - 1) return cell;
        const missing = (stops[column] ?? 1) - Math.floor(cell.length / TAB_WIDTH);
        return cell + '\t'.repeat(missing);
      })
      .join(''),
  );
  return lines.map((line) => `${line}\n`).join('');
}
