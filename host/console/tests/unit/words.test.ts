import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import de from '../../src/words/de.json' with { type: 'json' };
import en from '../../src/words/en.json' with { type: 'json' };
import { speaker, wished } from '../../src/words/words.ts';

function flat(of: object, before = ''): [string, string][] {
  return Object.entries(of).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [[before + name, value]] : flat(value as object, `${before}${name}.`),
  );
}
const marks = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([mark]) => mark).sort();

test('both languages have the same words, in the same order', () => {
  expect(flat(de).map(([key]) => key)).toEqual(flat(en).map(([key]) => key));
});

test('both languages have the same values and pieces in each', () => {
  const english = new Map(flat(en));
  for (const [key, text] of flat(de)) {
    for (const pattern of [/\{\{\w+\}\}/g, /<\w+\/?>/g]) {
      expect(marks(text, pattern), key).toEqual(marks(english.get(key) ?? '', pattern));
    }
  }
});

test('what is counted has both numbers', () => {
  const keys = new Set(flat(en).map(([key]) => key));
  for (const key of keys) {
    const other = key.endsWith('_one') ? key.replace(/_one$/, '_other') : key.replace(/_other$/, '_one');
    expect(keys.has(other), other).toBe(true);
  }
});

test('no words are left that no page says', () => {
  const source = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => readFileSync(join('src', file), 'utf8'))
    .join('\n');
  // A key may be put together: `state.${state}`, `events.${act}Text`.
  const patterns = [...source.matchAll(/[`'"]([\w.${} ]+)[`'"]/g)].map(
    ([, key = '']) => new RegExp(`^${key.replaceAll('.', '\\.').replace(/\$\{[^}]*\}/g, '[\\w -]+')}$`),
  );
  const unsaid = flat(en)
    .map(([key]) => key.replace(/_(one|other)$/, ''))
    .filter((key) => !patterns.some((pattern) => pattern.test(key)));
  expect(unsaid).toEqual([]);
});

test('one and many are told apart, and numbers are written as the language does', () => {
  expect(speaker(en, 'en')('events.selected', { count: 1 })).toBe('1 event selected');
  expect(speaker(en, 'en')('events.selected', { count: 1200 })).toBe('1,200 events selected');
  expect(speaker(de, 'de')('events.selected', { count: 1200 })).toBe('1.200 Ereignisse ausgewählt');
});

test('the language is the one that was chosen, else the first that the browser wishes and there is', () => {
  expect(wished(['de', 'en-GB'])).toBe('de');
  expect(wished([null, 'fr-FR', 'de-AT', 'en'])).toBe('de');
  expect(wished([null, 'fr-FR'])).toBe('en');
});
