// How far what was asked of many events is, and what of it failed.
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { ProgressIndicator } from '@ui5/webcomponents-react/ProgressIndicator';
import type { Job } from '../api/types.ts';
import { Link } from '../way/way.tsx';
import { number } from '../words/format.ts';
import { useWords } from '../words/words.ts';
import { useLocale } from './locale.ts';

interface Props {
  of: Job;
  /** Whose words say it: what is done, or rehearsed. */
  says: 'act' | 'rehearseMany';
}

export function HowFar({ of: job, says }: Props) {
  const { t } = useWords();
  const locale = useLocale();
  const whole = job.failed.length === 0;
  const counts = { done: number(job.done, locale), total: number(job.total, locale) };
  return (
    <>
      <p>{t(job.over ? `${says}.over` : `${says}.running`, counts)}</p>
      <ProgressIndicator
        value={job.total === 0 ? 100 : Math.round((job.done / job.total) * 100)}
        valueState={job.over ? (whole ? 'Positive' : 'Critical') : 'Information'}
        accessibleName={t('act.progress')}
      />
    </>
  );
}

export function Failed({ of: job, says }: { of: Job; says: string }) {
  if (job.failed.length === 0) return null;
  return (
    <>
      <MessageStrip design="Critical" hideCloseButton>
        {says}
      </MessageStrip>
      <ul className="plain">
        {job.failed.map((one) => (
          <li key={one.event}>
            <Link to="/events/$id" params={{ id: String(one.event) }}>
              #{one.event}
            </Link>{' '}
            {one.why}
          </li>
        ))}
      </ul>
    </>
  );
}
