import { useWords } from '../words/words.ts';

/** The locale of numbers and dates. */
export function useLocale(): string {
  return useWords().locale;
}
