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
import { useRehearsal } from '../../parts/rehearse-many.tsx';
import { Sparkline } from '../../parts/sparkline.tsx';
import { StateMark } from '../../parts/state.tsx';
import { Time } from '../../parts/time.tsx';
import { number } from '../../words/format.ts';

const TONE = { new: 'info', back: 'warn' } as const;

export default function Kinds() {
  const { t } = useWords();
  const look = useSay('/kinds');
  const { flow } = useSaid('/kinds');
  const query = useQuery(kindsQuery(flow));
  const { ask, dialog } = useAct();
  const { rehearse, rehearsal } = useRehearsal();
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
                <One key={kind.id} of={kind} ask={ask} rehearse={rehearse} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {dialog}
      {rehearsal}
    </Page>
  );
}

interface Props {
  of: Kind;
  ask: (question: Question) => void;
  rehearse: ReturnType<typeof useRehearsal>['rehearse'];
}

function One({ of: kind, ask, rehearse }: Props) {
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
        {kind.mends.length > 0 && <p>{t('kinds.mends', { mends: kind.mends.join(' · ') })}</p>}
        <p className="soft">
          <StateMark state={kind.state} />{' '}
          {kind.standing !== 'known' && <Mark tone={TONE[kind.standing]}>{t(`kinds.${kind.standing}`)}</Mark>}{' '}
          {t('kinds.events', { count: kind.count })} · {kind.flow} · {t('kinds.first')} <Time at={kind.first} /> ·{' '}
          {t('kinds.last')} <Time at={kind.last} /> ·{' '}
          <Link to="/events/$id" params={{ id: String(kind.example) }}>
            {t('kinds.example', { id: kind.example })}
          </Link>
        </p>
        <Trend of={kind.trend} />
      </div>
      {mayAct && (
        <div className="kind-acts">
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
          <Button
            design="Transparent"
            accessibleName={t('kinds.wouldOf', { words: kind.words })}
            onClick={() =>
              rehearse(t('kinds.wouldTitle', { words: kind.words }), { kind: kind.id, filter: { kind: kind.id } })
            }
          >
            {t('kinds.would')}
          </Button>
        </div>
      )}
    </li>
  );
}

/** How many on each of the last days. */
function Trend({ of: days }: { of: number[] }) {
  const { t } = useWords();
  const locale = useLocale();
  const last = days.at(-1) ?? 0;
  const before = days.reduce((sum, day) => sum + day, 0) - last;
  return (
    <div className="rate">
      <Sparkline
        trouble={days}
        label={t('kinds.trend', { count: last, before: number(before, locale), days: days.length - 1 })}
      />
      <span className="soft small" aria-hidden="true">
        {t('kinds.span', { days: days.length })}
      </span>
    </div>
  );
}
