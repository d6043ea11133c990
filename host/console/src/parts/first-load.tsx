// A flow's first load: rehearsed, then loaded; each with how far it is, and what it came to. Whoever may not load sees that alone.
import { useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { ProgressIndicator } from '@ui5/webcomponents-react/ProgressIndicator';
import { useState } from 'react';
import { api } from '../api/client.ts';
import { load as loadQuery } from '../api/queries.ts';
import type { Counted, Load, LoadRehearsal, LoadRun, LoadState } from '../api/types.ts';
import { useAct } from './act.tsx';
import { useLocale } from './locale.ts';
import { useMay } from './me.ts';
import { Moment } from './moment.tsx';
import { Opens } from './opens.tsx';
import { Problem } from './problem.tsx';
import { leftOf, rateOf, sampled, type Sample } from './rate.ts';
import { Time } from './time.tsx';
import { Link } from '../way/way.tsx';
import { day, number } from '../words/format.ts';
import { useWords, type Say } from '../words/words.ts';

interface Props {
  of: Load;
  /** Whether a release of the flow is live: before, it can only be rehearsed. */
  live: boolean;
  /** When it was said, by this browser's clock. */
  at: number;
}

export function FirstLoad({ of: { flow, rehearsal, load }, live, at }: Props) {
  const { t } = useWords();
  const may = useMay('operator');
  const client = useQueryClient();
  const { ask, dialog } = useAct();
  const [since, setSince] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();

  const send = async (what: '' | '/rehearse' | '/stop', body: object = {}) => {
    const said = await api.post<Load>(`/flows/${encodeURIComponent(flow)}/load${what}`, body);
    client.setQueryData(loadQuery(flow).queryKey, said);
  };
  const attempt = async (does: () => Promise<void>) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await does();
    } catch (why) {
      setTrouble(why);
    } finally {
      setBusy(false);
    }
  };
  const asked = since === '' ? {} : { since };
  const begin = (anew: boolean) =>
    ask({
      title: t('load.title', { flow }),
      text: t(anew ? 'load.anewText' : 'load.text'),
      confirm: t('load.go'),
      go: async () => {
        await send('', anew ? { ...asked, anew } : asked);
        return undefined;
      },
      said: t('load.begun'),
    });
  const goOn = () => attempt(() => send(''));
  const stop = may ? () => void attempt(() => send('/stop')) : undefined;

  const goesOn = rehearsal?.state === 'goes-on' || load?.state === 'goes-on';
  const broken = load?.state === 'stopped' || load?.state === 'failed';
  return (
    <div className="stack">
      {may && !goesOn && (
        <div className="row">
          <Moment day label={t('load.since')} value={since === '' ? undefined : since} onChange={setSince} />
          <Button
            design={rehearsal === null && load === null ? 'Emphasized' : 'Default'}
            disabled={busy}
            onClick={() => void attempt(() => send('/rehearse', asked))}
          >
            {t(rehearsal === null ? 'load.rehearse' : 'load.rehearseAgain')}
          </Button>
          {broken && (
            <Button design="Emphasized" disabled={busy || !live} onClick={() => void goOn()}>
              {t('load.goOn')}
            </Button>
          )}
          <Button
            design={rehearsal?.state === 'over' && load === null && live ? 'Emphasized' : 'Default'}
            disabled={busy || !live}
            onClick={() => begin(load !== null)}
          >
            {t(load === null ? 'load.go' : 'load.anew')}
          </Button>
        </div>
      )}
      {may && !goesOn && !live && <p className="soft">{t('load.needsLive')}</p>}
      {load && <Loading of={load} at={at} flow={flow} busy={busy} stop={stop} />}
      {rehearsal && (load === null || load.began_at < rehearsal.began_at) && (
        <Rehearsed of={rehearsal} busy={busy} stop={stop} />
      )}
      <Problem of={trouble} />
      {dialog}
    </div>
  );
}

const VALUE_STATE = { 'goes-on': 'Information', over: 'Positive', stopped: 'Critical', failed: 'Negative' } as const;

interface BarProps {
  label: string;
  state: LoadState;
  done: number;
  total: number;
}

function Bar({ label, state, done, total }: BarProps) {
  const share = state === 'over' ? 1 : total === 0 ? 0 : Math.min(1, done / total);
  return <ProgressIndicator value={Math.floor(share * 100)} valueState={VALUE_STATE[state]} accessibleName={label} />;
}

function Failed({ state, error }: { state: LoadState; error: string | null }) {
  return (
    error !== null && (
      <MessageStrip design={state === 'failed' ? 'Negative' : 'Critical'} hideCloseButton>
        {error}
      </MessageStrip>
    )
  );
}

interface LoadingProps {
  of: LoadRun;
  at: number;
  flow: string;
  busy: boolean;
  /** Where this person may. */
  stop: (() => void) | undefined;
}

function Loading({ of: load, at, flow, busy, stop }: LoadingProps) {
  const { t } = useWords();
  const locale = useLocale();
  const [samples, setSamples] = useState<Sample[]>([]);
  // Each answer that comes while it goes on is one sample more.
  if (load.state === 'goes-on' && samples.at(-1)?.at !== at) setSamples(sampled(samples, { at, done: load.done }));
  const rate = rateOf(samples);
  return (
    <section className="stack tight" aria-label={t('load.progress')}>
      <div className="plugin-head">
        <p>
          <strong>{t(`load.is.${load.state}`)}:</strong>{' '}
          {t('load.done', { done: number(load.done, locale), total: number(load.total, locale) })}
          {load.state === 'goes-on' && rate !== undefined && (
            <>
              {' · '}
              {t('load.rate', { count: Math.max(1, Math.round(rate * 60)) })}
              {' · '}
              {left(load.total - load.done, rate, t)}
            </>
          )}
        </p>
        {load.state === 'goes-on' && stop && (
          <Button disabled={busy} onClick={stop}>
            {t('load.stop')}
          </Button>
        )}
      </div>
      <Bar label={t('load.progress')} {...load} />
      <Failed {...load} />
      <p className="soft">
        {t('load.by', { who: load.by })} <Time key={load.began_at} at={load.began_at} />
        {load.since !== null && <> · {t('load.sinceSaid', { day: day(load.since, locale) })}</>}
        {load.state === 'goes-on' && <> · {t('load.leave')}</>}
      </p>
      {load.waiting > 0 && <p className="soft">{t('load.waiting', { count: load.waiting })}</p>}
      {load.review > 0 && (
        <p>
          <Link to="/reviews" search={{ flow }} className="way">
            {t('load.reviews', { count: load.review })}
          </Link>
        </p>
      )}
    </section>
  );
}

function left(records: number, rate: number, t: Say): string {
  const { unit, count } = leftOf(records, rate);
  return t(`load.left.${unit}`, { count });
}

interface RehearsedProps {
  of: LoadRehearsal;
  busy: boolean;
  /** Where this person may. */
  stop: (() => void) | undefined;
}

function Rehearsed({ of: rehearsal, busy, stop }: RehearsedProps) {
  const { t } = useWords();
  const locale = useLocale();
  const { found, state } = rehearsal;
  const nothing = found.effects.length === 0 && found.links.length === 0 && found.asks === 0;
  return (
    <section className="stack tight part" aria-label={t('load.rehearsal')}>
      <div className="plugin-head">
        <p>
          <strong>{t(`load.rehearsalIs.${state}`)}:</strong>{' '}
          {t('load.looked', { done: number(rehearsal.done, locale), total: number(rehearsal.total, locale) })}
          {rehearsal.since !== null && <> · {t('load.sinceSaid', { day: day(rehearsal.since, locale) })}</>}
        </p>
        {state === 'goes-on' && stop && (
          <Button disabled={busy} onClick={stop}>
            {t('load.stop')}
          </Button>
        )}
      </div>
      <Bar label={t('load.rehearsal')} {...rehearsal} />
      <Failed {...rehearsal} />
      <div className="would">
        <Counts title={t('load.effects')} of={found.effects} />
        <Counts title={t('load.links')} of={found.links} />
        <Counts title={t('load.outcomes')} of={found.outcomes.map((one) => ({ ...one, what: outcome(one.what, t) }))} />
      </div>
      {state === 'over' && nothing && <p>{t('load.nothing')}</p>}
      {found.asks > 0 && (
        <Opens
          key={state}
          label={t('load.asks', { count: found.asks })}
          open={state === 'over' && found.questions.length <= 10}
        >
          <ul className="sentences">
            {found.questions.map((one) => (
              <li key={one.key}>
                <span className="code">{one.key}</span> {one.why}
              </li>
            ))}
          </ul>
          {found.asks > found.questions.length && (
            <p className="soft">{t('load.asksMore', { count: found.asks - found.questions.length })}</p>
          )}
        </Opens>
      )}
      <p className="soft small">{t('rehearsal.nothing')}</p>
    </section>
  );
}

const OUTCOMES = ['done', 'review', 'retry', 'wait', 'reject'] as const;

/** In the language shown, where it is one that is known. */
function outcome(what: string, t: Say): string {
  const known = OUTCOMES.find((one) => one === what);
  return known ? t(`load.outcome.${known}`) : what;
}

function Counts({ title, of }: { title: string; of: Counted[] }) {
  const locale = useLocale();
  if (of.length === 0) return null;
  return (
    <table className="fields counts">
      <caption>{title}</caption>
      <tbody>
        {of.map((one) => (
          <tr key={one.what}>
            <th scope="row">{one.what}</th>
            <td>{number(one.records, locale)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
