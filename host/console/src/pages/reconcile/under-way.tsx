// A comparison that is asked for now: which flows, since when; and how far the one is that is under way.
import { useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { ProgressIndicator } from '@ui5/webcomponents-react/ProgressIndicator';
import { useState } from 'react';
import { api } from '../../api/client.ts';
import { reconcile as reconcileQuery } from '../../api/queries.ts';
import type { Reconcile, ReconcileRun } from '../../api/types.ts';
import { FlowSelect } from '../../parts/flow-select.tsx';
import { useLocale } from '../../parts/locale.ts';
import { useMay } from '../../parts/me.ts';
import { Moment } from '../../parts/moment.tsx';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { say } from '../../parts/say.tsx';
import { Time } from '../../parts/time.tsx';
import { day, number } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';

export function UnderWay({ of: { run } }: { of: Reconcile }) {
  const { t } = useWords();
  const may = useMay('operator');
  const client = useQueryClient();
  const [flow, setFlow] = useState('');
  const [since, setSince] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const goesOn = run?.state === 'goes-on';

  const send = async (path: string, body: object, said: string) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      client.setQueryData(reconcileQuery.queryKey, await api.post<Reconcile>(path, body));
      say(said);
    } catch (why) {
      setTrouble(why);
      // Somebody else may have begun one.
      void client.invalidateQueries({ queryKey: reconcileQuery.queryKey });
    } finally {
      setBusy(false);
    }
  };
  const begin = () =>
    send('/reconcile', { ...(flow && { flows: [flow] }), ...(since && { since }) }, t('reconcile.begun'));
  const stop = () => send('/reconcile/stop', {}, t('reconcile.stopped'));

  if (!may && (!run || run.state === 'over')) return null;
  return (
    <Card
      title={t(may ? 'reconcile.go' : 'reconcile.progress')}
      says={may && !goesOn ? t('reconcile.goSays') : undefined}
    >
      <div className="stack">
        {may && !goesOn && (
          <div className="row">
            <FlowSelect value={flow} onChange={setFlow} />
            <Moment day label={t('reconcile.since')} value={since === '' ? undefined : since} onChange={setSince} />
            <Button design="Emphasized" disabled={busy} onClick={() => void begin()}>
              {t('reconcile.go')}
            </Button>
          </div>
        )}
        {run && run.state !== 'over' && (
          <Run of={run} busy={busy} stop={may && goesOn ? () => void stop() : undefined} />
        )}
        <Problem of={trouble} />
      </div>
    </Card>
  );
}

const VALUE_STATE = { 'goes-on': 'Information', over: 'Positive', stopped: 'Critical', failed: 'Negative' } as const;

interface RunProps {
  of: ReconcileRun;
  busy: boolean;
  /** Where this person may. */
  stop: (() => void) | undefined;
}

function Run({ of: run, busy, stop }: RunProps) {
  const { t } = useWords();
  const locale = useLocale();
  const { flow, comparison, step, rows } = run.progress;
  const at = t('reconcile.at', { flow, comparison, step: t(`reconcile.step.${step}`), rows: number(rows, locale) });
  return (
    <section className="stack tight" aria-label={t('reconcile.progress')}>
      <div className="plugin-head">
        <p aria-live="polite">
          <strong>{t(`reconcile.run.${run.state}`)}:</strong>{' '}
          {t('reconcile.flowsDone', { at: Math.min(run.done + 1, run.total), total: run.total })}
        </p>
        {stop && (
          <Button disabled={busy} onClick={stop}>
            {t('reconcile.stop')}
          </Button>
        )}
      </div>
      <ProgressIndicator
        value={run.total === 0 ? 0 : Math.floor((run.done / run.total) * 100)}
        valueState={VALUE_STATE[run.state]}
        accessibleName={t('reconcile.progress')}
      />
      {flow !== '' && run.state === 'goes-on' && <p>{at}</p>}
      {run.error !== null && (
        <MessageStrip design={run.state === 'failed' ? 'Negative' : 'Critical'} hideCloseButton>
          {run.error}
        </MessageStrip>
      )}
      <p className="soft">
        {run.by === null ? t('reconcile.bySchedule') : t('reconcile.by', { who: run.by })} <Time at={run.began_at} />
        {run.since !== null && <> · {t('reconcile.sinceSaid', { day: day(run.since, locale) })}</>}
        {run.state === 'goes-on' && <> · {t('reconcile.leave')}</>}
      </p>
    </section>
  );
}
