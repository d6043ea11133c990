// English or German: as the browser says, or as somebody chose in it. Only the language shown is fetched.
import { registerI18nLoader } from '@ui5/webcomponents-base/dist/asset-registries/i18n.js';
import { registerLocaleDataLoader } from '@ui5/webcomponents-base/dist/asset-registries/LocaleData.js';
import { setLanguage } from '@ui5/webcomponents-base/dist/config/Language.js';
import { useSyncExternalStore } from 'react';
import type en from './en.json';

export type Language = 'en' | 'de';
export const LANGUAGES: readonly Language[] = ['en', 'de'];

type Paths<Of, Before extends string = ''> = {
  [Name in keyof Of & string]: Of[Name] extends string ? `${Before}${Name}` : Paths<Of[Name], `${Before}${Name}.`>;
}[keyof Of & string];
type Whole<Path> = Path extends `${infer Start}_${'one' | 'other'}` ? Start : Path;

/** Where words stand in en.json; those that are counted without their ending. */
export type Key = Whole<Paths<typeof en>>;
export type Values = Record<string, string | number | undefined>;
export type Say = (key: Key, values?: Values) => string;

const KEPT = 'tandem.language';
const LOADS: Record<Language, () => Promise<{ default: object }>> = {
  en: () => import('./en.json'),
  de: () => import('./de.json'),
};

/** What is shown at present; another object for another language, so that all is drawn anew. */
interface Shown {
  language: Language;
  /** The locale of numbers and dates: the browser's own of the language, such as en-GB, where it has one. */
  locale: string;
  t: Say;
}
let shown: Shown = { language: 'en', locale: 'en', t: (key) => key };
const listeners = new Set<() => void>();

/** The words of the language shown, by their key; what uses it is drawn anew when the language changes. */
export function useWords(): Shown {
  return useSyncExternalStore(listen, () => shown);
}
function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Words from a tree of them: `{{name}}` takes a value, and a `count` chooses between `…_one` and `…_other`. */
export function speaker(words: object, language: Language): Say {
  const plural = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const { count } = values;
    const counted = typeof count === 'number' ? find(words, `${key}_${plural.select(count)}`) : undefined;
    const found = counted ?? find(words, key) ?? key;
    return found.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
      const value = values[name];
      return name === 'count' && typeof value === 'number' ? numbers.format(value) : String(value ?? '');
    });
  };
}

function find(words: object, key: string): string | undefined {
  let at: unknown = words;
  for (const name of key.split('.')) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return typeof at === 'string' ? at : undefined;
}

/** The first of the languages wished for that there is. */
export function wished(tags: readonly (string | null)[]): Language {
  for (const tag of tags) {
    const known = LANGUAGES.find((one) => tag?.slice(0, 2) === one);
    if (known) return known;
  }
  return 'en';
}

export async function choose(language: Language): Promise<void> {
  localStorage.setItem(KEPT, language);
  await show(language);
}

async function show(language: Language): Promise<void> {
  const [words] = await Promise.all([LOADS[language](), setLanguage(language)]);
  document.documentElement.lang = language;
  const locale = navigator.languages.find((tag) => tag.startsWith(language)) ?? language;
  shown = { language, locale, t: speaker(words.default, language) };
  listeners.forEach((listener) => listener());
}

export async function start(): Promise<void> {
  // The components would fetch names of months from outside at each change of language; none that is used here reads them.
  for (const one of LANGUAGES) registerLocaleDataLoader(one, async () => ({}));
  registerI18nLoader(
    '@ui5/webcomponents',
    'de',
    async () => (await import('@ui5/webcomponents/dist/generated/assets/i18n/messagebundle_de.json')).default,
  );
  registerI18nLoader(
    '@ui5/webcomponents-fiori',
    'de',
    async () => (await import('@ui5/webcomponents-fiori/dist/generated/assets/i18n/messagebundle_de.json')).default,
  );
  await show(wished([localStorage.getItem(KEPT), ...navigator.languages]));
}
