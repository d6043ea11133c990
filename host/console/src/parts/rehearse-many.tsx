// Many events rehearsed at once: how far it is, how many would end how, and each event with what it would come to.
import { useQuery } from '@tanstack/react-query';
import { Bar } from '@ui5/webcomponents-react/Bar';
import { Button } from '@ui5/webcomponents-react/Button';
import { Dialog } from '@ui5/webcomponents-react/Dialog';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useState, type ReactNode } from 'react';
import { api } from '../api/client.ts';
import { job as jobQuery } from '../api/queries.ts';
import type { EventsAct, Job, RehearsedEvent } from '../api/types.ts';
import { Link } from '../way/way.tsx';
import { number } from '../words/format.ts';
import { useWords } from '../words/words.ts';
import { Failed, HowFar } from './job.tsx';
import { Waiting } from './loaded.tsx';
import { useLocale } from './locale.ts';
import { Problem } from './problem.tsx';
import { StateMark } from './state.tsx';

type Which = Pick<EventsAct, 'ids' | 'kind' | 'filter'>;
interface Asked {
  title: string;
  job?: Job;
  trouble?: unknown;
}

/** `rehearse` begins it and opens the dialog; `rehearsal` is put anywhere on the page. */
export function useRehearsal(): { rehearse: (title: string, which: Which) => void; rehearsal: ReactNode } {
  const [asked, set] = useState<Asked>();
  const rehearse = async (title: string, which: Which) => {
    const begun: Asked = { title };
    set(begun);
    // Closed meanwhile, it stays so.
    const told = (what: Partial<Asked>) => set((now) => (now === begun ? { ...begun, ...what } : now));
    try {
      told({ job: await api.post<Job>('/events/act', { act: 'rehearse', ...which } satisfies EventsAct) });
    } catch (trouble) {
      told({ trouble });
    }
  };
  return {
    rehearse: (title, which) => void rehearse(title, which),
    rehearsal: asked && <Rehearsal of={asked} close={() => set(undefined)} />,
  };
}

function Rehearsal({ of: { title, job, trouble }, close }: { of: Asked; close: () => void }) {
  const { t } = useWords();
  return (
    <Dialog
      open
      headerText={title}
      className="dialog wide-dialog"
      onClose={close}
      footer={<Bar design="Footer" endContent={<Button onClick={close}>{t('close')}</Button>} />}
    >
      <div className="dialog-body">
        <MessageStrip design="Information" hideCloseButton>
          {t('rehearsal.nothing')}
        </MessageStrip>
        <Problem of={trouble} />
        {job ? <Told of={job} /> : trouble === undefined && <Waiting />}
      </div>
    </Dialog>
  );
}

function Told({ of: begun }: { of: Job }) {
  const { t } = useWords();
  const query = useQuery({ ...jobQuery(begun.id), initialData: begun });
  const job = query.data;
  return (
    <>
      <div aria-live="polite" className="stack">
        <HowFar of={job} says="rehearseMany" />
        <Totals of={job.outcomes} />
      </div>
      <Problem of={query.error} />
      {job.more && <p className="soft">{t('rehearseMany.more', { count: job.total })}</p>}
      <Failed of={job} says={t('rehearseMany.failed', { count: job.failed.length })} />
      <Outcomes of={job.outcomes} />
    </>
  );
}

const STATES = ['done', 'review', 'rejected', 'retry', 'waiting'] as const;

/** In one sentence, such as: 3 would be done, 2 would ask. */
function Totals({ of: outcomes }: { of: RehearsedEvent[] }) {
  const { t } = useWords();
  const totals = STATES.map((state) => [state, outcomes.filter((one) => one.state === state).length] as const);
  const said = totals.filter(([, count]) => count > 0).map(([state, count]) => t(`rehearseMany.${state}`, { count }));
  return said.length === 0 ? null : <p className="totals">{said.join(', ')}</p>;
}

function Outcomes({ of: outcomes }: { of: RehearsedEvent[] }) {
  const { t } = useWords();
  const locale = useLocale();
  if (outcomes.length === 0) return null;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t('rehearseMany.outcomes')}>
      <table className="fields outcomes">
        <thead>
          <tr>
            <th scope="col">{t('event.number')}</th>
            <th scope="col">{t('rehearseMany.would')}</th>
            <th scope="col">{t('rehearseMany.effects')}</th>
            <th scope="col">{t('rehearseMany.differences')}</th>
          </tr>
        </thead>
        <tbody>
          {outcomes.map((one) => (
            <tr key={one.event}>
              <th scope="row">
                <Link to="/events/$id" params={{ id: String(one.event) }}>
                  #{one.event}
                </Link>
                <span className="small">
                  {one.flow} · {one.key}
                </span>
              </th>
              <td>
                <StateMark state={one.state} /> {one.words}
              </td>
              <td>{number(one.effects, locale)}</td>
              <td>{number(one.differences, locale)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
