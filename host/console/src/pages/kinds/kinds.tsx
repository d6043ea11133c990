// What went wrong, grouped by its cause; a whole group is tried again at once.
import { useQuery } from '@tanstack/react-query';
import { Link, useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { kinds as kindsQuery } from '../../api/queries.ts';
import type { EventsAct, Job, Kind } from '../../api/types.ts';
import { useAct, type Question } from '../../parts/act.tsx';
import { Empty } from '../../parts/empty.tsx';
import { FlowSelect } from '../../parts/flow-select.tsx';
import { good } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { useMay } from '../../parts/me.ts';
import { Page } from '../../parts/page.tsx';
import { StateMark } from '../../parts/state.tsx';
import { Time } from '../../parts/time.tsx';
import { number } from '../../words/format.ts';

export default function Kinds() {
  const { t } = useWords();
  const look = useSay('/kinds');
  const { flow } = useSaid('/kinds');
  const query = useQuery(kindsQuery(flow));
  const { ask, dialog } = useAct();
  return (
    <Page
      title={t('kinds.title')}
      says={t('kinds.says')}
      actions={<FlowSelect value={flow ?? ''} onChange={(flow) => look({ flow })} />}
    >
      <Loaded query={query}>
        {(kinds) =>
          kinds.length === 0 ? (
            <section className="card">
              <Empty icon={good} good title={t('kinds.none')} says={t('kinds.noneSays')} />
            </section>
          ) : (
            <ul className="cards wide plain">
              {kinds.map((kind) => (
                <One key={kind.id} of={kind} ask={ask} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {dialog}
    </Page>
  );
}

function One({ of: kind, ask }: { of: Kind; ask: (question: Question) => void }) {
  const { t } = useWords();
  const locale = useLocale();
  const mayAct = useMay('operator');
  return (
    <li className="card kind">
      <div className="kind-count" aria-hidden="true">
        {number(kind.count, locale)}
      </div>
      <div className="stack tight">
        <p className="kind-words">{kind.words}</p>
        {kind.mend && <p>{kind.mend}</p>}
        <p className="soft">
          <StateMark state={kind.state} /> {kind.fresh && <Mark tone="info">{t('kinds.fresh')}</Mark>}{' '}
          {t('kinds.events', { count: kind.count })} · {kind.flow} · {t('kinds.first')} <Time at={kind.first} /> ·{' '}
          {t('kinds.last')} <Time at={kind.last} /> ·{' '}
          <Link to="/events/$id" params={{ id: String(kind.example) }}>
            {t('kinds.example', { id: kind.example })}
          </Link>
        </p>
      </div>
      {mayAct && (
        <Button
          accessibleName={t('kinds.retryOf', { words: kind.words })}
          onClick={() =>
            ask({
              title: t('kinds.retry'),
              text: t('kinds.retryText', { count: kind.count, words: kind.words }),
              confirm: t('kinds.retryGo', { count: kind.count }),
              danger: kind.count > 1,
              reason: 'wished',
              go: (why) =>
                api.post<Job>('/events/act', {
                  act: 'retry',
                  kind: kind.id,
                  filter: { kind: kind.id },
                  why,
                } satisfies EventsAct),
              said: t('events.retrySaid'),
            })
          }
        >
          {t('kinds.retry')}
        </Button>
      )}
    </li>
  );
}
