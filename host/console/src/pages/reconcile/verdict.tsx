// What came of a comparison, in plain words and with its colour.
import type { ReportRow } from '../../api/types.ts';
import { Mark } from '../../parts/mark.tsx';
import { useWords, type Say } from '../../words/words.ts';

const TONES = { agree: 'good', partly: 'warn', explained: 'info', unexplained: 'bad', nothing: 'warn' } as const;

/** Whether both sides agree, and how many records do not. */
export function verdict({ verdict, differences, unexplained }: ReportRow, t: Say): string {
  if (verdict === 'explained') return t('reconcile.verdict.explained', { count: differences });
  if (verdict !== 'unexplained') return t(`reconcile.verdict.${verdict}`);
  const differ = t('reconcile.verdict.differ', { count: differences });
  return `${differ} ${t('reconcile.verdict.unexplained', { count: unexplained })}`;
}

/** The same as one word. */
export function VerdictMark({ of: { verdict, unexplained } }: { of: ReportRow }) {
  const { t } = useWords();
  const words =
    verdict === 'unexplained' ? t('reconcile.openMark', { count: unexplained }) : t(`reconcile.mark.${verdict}`);
  return <Mark tone={TONES[verdict]}>{words}</Mark>;
}

export function Verdict({ of: row }: { of: ReportRow }) {
  const { t } = useWords();
  return (
    <div className={`verdict-says ${TONES[row.verdict]}`}>
      <p className="verdict-words">{verdict(row, t)}</p>
      {row.in_step > 0 && <p>{t('reconcile.inStep', { count: row.in_step })}</p>}
      {!row.of_all && row.verdict !== 'nothing' && <p>{t('reconcile.onlyOf', { flows: row.flows.join(', ') })}</p>}
      {row.unsaid.length > 0 && <p>{t('reconcile.unsaid', { flows: row.unsaid.join(', ') })}</p>}
      {row.missed.length > 0 && <p>{t('reconcile.missed', { flows: row.missed.join(', ') })}</p>}
    </div>
  );
}
