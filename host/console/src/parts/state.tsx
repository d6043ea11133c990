// An event's state as a word with its colour.
import { Mark } from './mark.tsx';
import { useWords } from '../words/words.ts';
import type { State } from '../api/types.ts';

const TONES = {
  ready: 'plain',
  leased: 'info',
  waiting: 'plain',
  review: 'warn',
  done: 'good',
  rejected: 'bad',
  superseded: 'plain',
  retry: 'warn',
} as const;

export function StateMark({ state }: { state: State | 'retry' }) {
  const { t } = useWords();
  return <Mark tone={TONES[state]}>{t(`state.${state}`)}</Mark>;
}
