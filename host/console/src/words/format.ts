// Times, numbers and sizes as people read them, in a locale that the caller names.

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', 7],
  ['week', Infinity],
];

/** How far `at` lies from `now`: "3 minutes ago", "in 2 hours"; days from a month on. */
export function relative(at: string, now: number, locale: string): string {
  let away = (Date.parse(at) - now) / 1000;
  const past = away < 0;
  away = Math.abs(away);
  if (away >= 30 * 86_400) return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(at));
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  for (const [unit, next] of STEPS) {
    if (Math.round(away) < next) return format.format((past ? -1 : 1) * Math.round(away), unit);
    away /= next;
  }
  return at;
}

/** Date and time to the second, with the zone. */
export function exact(at: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  }).format(new Date(at));
}

/** The time of day to the millisecond: what orders the calls of a run. */
export function clock(at: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
  }).format(new Date(at));
}

/** The day of an instant in the browser's zone, as a field for dates wants it. */
export function dateOf(at: string): string {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
}

/** Noon of a day in the browser's zone: the same day for nearly everybody who reads it. */
export function noonOf(date: string): string {
  return new Date(`${date}T12:00:00`).toISOString();
}

export function day(at: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(at));
}

export function number(value: number, locale: string): string {
  return new Intl.NumberFormat(locale).format(value);
}

/** A decimal number as it is, to the last digit: money with two places at least. */
export function amount(text: string, money: boolean, locale: string): string {
  const format = new Intl.NumberFormat(locale, { minimumFractionDigits: money ? 2 : 0, maximumFractionDigits: 6 });
  return format.format(text as Intl.StringNumericLiteral);
}

export function percent(share: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 }).format(share);
}

/** 840 ms, 3.2 s, 4 min. */
export function duration(ms: number, locale: string): string {
  const unit = (value: number, unit: string, digits: number) =>
    new Intl.NumberFormat(locale, { style: 'unit', unit, maximumFractionDigits: digits }).format(value);
  if (ms < 1000) return unit(ms, 'millisecond', 0);
  if (ms < 60_000) return unit(ms / 1000, 'second', 1);
  return unit(ms / 60_000, 'minute', 0);
}

/** 312 byte, 4.1 kB, 2 MB. */
export function size(bytes: number, locale: string): string {
  const unit = (value: number, unit: string) =>
    new Intl.NumberFormat(locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(value);
  if (bytes < 1000) return unit(bytes, 'byte');
  if (bytes < 1_000_000) return unit(bytes / 1000, 'kilobyte');
  return unit(bytes / 1_000_000, 'megabyte');
}
