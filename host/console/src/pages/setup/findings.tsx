// What a look at a connection found, and what mends it.
import type { LookFinding } from '../../api/types.ts';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { ordered } from './ordered.ts';

const TONES = { good: 'good', soon: 'warn', wrong: 'bad' } as const;

export function Findings({ of }: { of: LookFinding[] }) {
  const { t } = useWords();
  return (
    <ul className="plain findings" aria-label={t('connect.findings')}>
      {ordered(of).map((one) => (
        <li key={one.what}>
          <Mark tone={TONES[one.state]}>{t(`connect.is.${one.state}`)}</Mark>
          <div className="finding-what">
            <span>
              <strong>{one.what}</strong>: {one.says}
            </span>
            {one.mend !== '' && <span>{t('connect.mend', { mend: one.mend })}</span>}
          </div>
        </li>
      ))}
    </ul>
  );
}
