import { expect, test } from 'vitest';
import { dateOf, duration, exact, noonOf, number, relative, size } from '../../src/words/format.ts';

const NOW = Date.parse('2026-11-27T14:32:05.120Z');
const ago = (seconds: number) => relative(new Date(NOW - seconds * 1000).toISOString(), NOW, 'en');

test('a time is told by how far it lies away', () => {
  expect(ago(3)).toBe('3 seconds ago');
  expect(ago(59.6)).toBe('1 minute ago');
  expect(ago(3 * 60)).toBe('3 minutes ago');
  expect(ago(2 * 3600)).toBe('2 hours ago');
  expect(ago(24 * 3600)).toBe('yesterday');
  expect(ago(15 * 86_400)).toBe('2 weeks ago');
  expect(ago(-20 * 60)).toBe('in 20 minutes');
});

test('what is longer ago than a month is told by its day', () => {
  expect(ago(90 * 86_400)).toBe('Aug 29, 2026');
});

test('a time is told in the language shown', () => {
  expect(relative(new Date(NOW - 180_000).toISOString(), NOW, 'de')).toBe('vor 3 Minuten');
});

test('the exact time names its zone', () => {
  expect(exact('2026-11-27T14:32:05.120Z', 'en')).toMatch(/2026.*:32:05.*(GMT|UTC|[A-Z]{2,4})/);
});

test('numbers, spans and sizes are written as the locale does', () => {
  expect(number(11_420, 'de')).toBe('11.420');
  expect([840, 3240, 240_000].map((ms) => duration(ms, 'en'))).toEqual(['840 ms', '3.2 sec', '4 min']);
  expect([312, 4_100, 2_000_000].map((bytes) => size(bytes, 'en'))).toEqual(['312 byte', '4.1 kB', '2 MB']);
});

test('a day that was picked is the same day when it is read', () => {
  expect(dateOf(noonOf('2027-01-15'))).toBe('2027-01-15');
});
