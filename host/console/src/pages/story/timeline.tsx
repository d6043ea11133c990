// What happened to an event, in its order: taken in, each attempt with its calls, the answer of a person, the outcome.
import { Link } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import type { ReactNode } from 'react';
import type { RunRow, Story } from '../../api/types.ts';
import { Json } from '../../parts/json.tsx';
import { useLocale } from '../../parts/locale.ts';
import { Opens } from '../../parts/opens.tsx';
import { StateMark } from '../../parts/state.tsx';
import { Time } from '../../parts/time.tsx';
import { duration } from '../../words/format.ts';
import { Calls } from './calls.tsx';

interface Step {
  at: string;
  node: ReactNode;
  tone: 'plain' | 'good' | 'bad' | 'open';
}

export function Timeline({ of: story }: { of: Story }) {
  const { t } = useWords();
  const { event } = story;
  const cause = story.caused_by.at(-1);
  const steps: Step[] = [
    {
      at: event.created_at,
      tone: 'plain',
      node: (
        <>
          <p>
            <strong>{t('timeline.taken')}</strong> <span className="soft">{event.topic}</span>{' '}
            {cause && (
              <Link to="/events/$id" params={{ id: String(cause.id) }}>
                {t('timeline.by', { id: cause.id, flow: cause.flow })}
              </Link>
            )}
          </p>
          <Opens label={t('timeline.payload')}>
            <Json of={event.payload} label={t('timeline.payload')} />
          </Opens>
        </>
      ),
    },
    ...story.runs.map((run, place): Step => ({
      at: run.started_at,
      tone: run.error ? 'bad' : run.finished_at ? 'good' : 'open',
      node: <Run of={run} number={place + 1} />,
    })),
  ];
  if (event.decided) {
    steps.push({
      at: event.decided.at,
      tone: 'plain',
      node: (
        <p>
          <strong>{t('timeline.decided')}</strong> <q>{event.decided.answer}</q>
        </p>
      ),
    });
  }
  steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  steps.push({
    at: event.finished_at ?? event.due_at,
    tone: event.state === 'done' ? 'good' : event.state === 'rejected' ? 'bad' : 'open',
    node: (
      <p>
        <StateMark state={event.state} /> {event.reason}
        {event.state === 'done' &&
          story.links.map((link) => (
            <span key={`${link.kind} ${link.b1_id}`}>
              {' · '}
              <Link to="/explain" search={{ record: link.b1_id }}>
                {link.kind} {link.b1_id}
              </Link>
            </span>
          ))}
      </p>
    ),
  });
  return (
    <ol className="timeline">
      {steps.map((step, place) => (
        <li key={place} className={step.tone}>
          <div className="timeline-at">
            <Time at={step.at} />
          </div>
          <div className="timeline-what">{step.node}</div>
        </li>
      ))}
    </ol>
  );
}

function Run({ of: run, number }: { of: RunRow; number: number }) {
  const { t } = useWords();
  const locale = useLocale();
  const took = run.finished_at && Date.parse(run.finished_at) - Date.parse(run.started_at);
  return (
    <>
      <p>
        <strong>{t('timeline.attempt', { number })}</strong>{' '}
        <span className="soft">
          {typeof took === 'number' ? duration(took, locale) : t('timeline.running')}
          {' · '}
          {t('timeline.with', { count: run.events })}
          {' · '}
          {t('timeline.release')} <span className="code">{run.release.slice(0, 10)}</span>
        </span>
      </p>
      {run.error && <p className="bad-text">{run.error}</p>}
      <Opens label={t('timeline.calls', { count: run.calls.length })} open={run.error !== undefined}>
        <Calls of={run.calls} />
        {run.cut && <p className="soft small">{t('timeline.cut')}</p>}
      </Opens>
    </>
  );
}
