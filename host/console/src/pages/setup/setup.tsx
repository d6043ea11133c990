// The set-up assistant: from nothing to a running flow and its first load. Each step shows what is done, and may be left and
// come back to; all of them stay in the page, so that what is typed in one is there again.
import { useQueries, useQuery } from '@tanstack/react-query';
import { Bar } from '@ui5/webcomponents-react/Bar';
import { Button } from '@ui5/webcomponents-react/Button';
import { Dialog } from '@ui5/webcomponents-react/Dialog';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useCallback, useEffect, useRef, useState } from 'react';
import { load as loadQuery, setup as setupQuery } from '../../api/queries.ts';
import type { Setup } from '../../api/types.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { maySetUp, useMe } from '../../parts/me.ts';
import { NotForYou } from '../../parts/no-page.tsx';
import { Page } from '../../parts/page.tsx';
import { useLeaving } from '../../way/leave.ts';
import { Link, useSaid, useSay } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { Connections } from './connections.tsx';
import { Flows } from './flows.tsx';
import { Loads } from './loads.tsx';
import { Runs } from './runs.tsx';
import { firstOpen, standings, STEPS, type Standing, type Step } from './steps.ts';

export default function SetupPage() {
  const { t } = useWords();
  const allowed = maySetUp(useMe());
  const query = useQuery({ ...setupQuery, enabled: allowed });
  if (!allowed) return <NotForYou role="admin" />;
  return (
    <Page title={t('setup.title')} says={t('setup.says')}>
      <Loaded query={query}>{(setup) => <Assistant of={setup} />}</Loaded>
    </Page>
  );
}

function Assistant({ of: setup }: { of: Setup }) {
  const { t } = useWords();
  const look = useSay('/setup');
  const said = useSaid('/setup').step;
  const loads = useQueries({
    queries: setup.flows
      .filter((flow) => flow.live && flow.release !== null && offers(setup, flow.plugin))
      .map((flow) => loadQuery(flow.flow)),
  }).flatMap((query) => (query.data ? [query.data] : []));
  const standing = standings(setup, loads);
  const [first] = useState(() => firstOpen(standing));
  const step = STEPS.find((one) => one === said) ?? first;
  const next = STEPS[STEPS.indexOf(step) + 1];

  // Whoever goes to another step goes on reading there.
  const panel = useRef<HTMLDivElement>(null);
  const shown = useRef(step);
  useEffect(() => {
    if (shown.current === step) return;
    shown.current = step;
    panel.current?.focus();
    panel.current?.scrollIntoView({ block: 'nearest' });
  }, [step]);

  const { leaving, stay, onTyped } = useTyped();
  return (
    <>
      {setup.refused !== null && (
        <div role="alert">
          <MessageStrip design="Negative" hideCloseButton>
            {t('setup.refused', { why: setup.refused })}
          </MessageStrip>
        </div>
      )}
      <div className="setup">
        <Steps step={step} standing={standing} />
        <div className="stack step-panel" ref={panel} tabIndex={-1} role="group" aria-label={t(`setup.step.${step}`)}>
          <div hidden={step !== 'b1'}>
            <Connections kind="b1" setup={setup} onTyped={onTyped} />
          </div>
          <div hidden={step !== 'salesforce'}>
            <Connections kind="salesforce" setup={setup} onTyped={onTyped} />
          </div>
          <div hidden={step !== 'flows'}>
            <Flows setup={setup} />
          </div>
          <div hidden={step !== 'load'}>
            <Loads setup={setup} />
          </div>
          {step === 'runs' && <Runs setup={setup} />}
          {next && (
            <div className="step-next">
              <Button
                design={standing[step] === 'done' ? 'Emphasized' : 'Transparent'}
                onClick={() => look({ step: next })}
              >
                {t('setup.next', { step: t(`setup.step.${next}`) })}
              </Button>
            </div>
          )}
        </div>
      </div>
      {leaving && <Leave stay={stay} go={leaving} />}
    </>
  );
}

function offers(setup: Setup, plugin: string): boolean {
  return setup.plugins.some((one) => one.plugin === plugin && one.first_load.length > 0);
}

const TONES = { todo: 'plain', waits: 'info', wrong: 'bad', done: 'good' } as const;

function Steps({ step, standing }: { step: Step; standing: Record<Step, Standing> }) {
  const { t } = useWords();
  return (
    <nav className="card setup-steps" aria-label={t('setup.steps')}>
      <ol>
        {STEPS.map((one) => {
          const is = standing[one];
          return (
            <li key={one} aria-current={one === step ? 'step' : undefined} className={is}>
              <Link to="/setup" search={{ step: one }}>
                <span className="setup-step-name">{t(`setup.step.${one}`)}</span>
                <span className={`setup-standing ${TONES[is]}`}>{t(`setup.is.${is}`)}</span>
              </Link>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/** Which forms hold what is not saved; as long as one does, leaving the page asks. */
function useTyped() {
  const [typed, setTyped] = useState<ReadonlySet<string>>(new Set());
  const [leaving, setLeaving] = useState<() => void>();
  const onTyped = useCallback((id: string, is: boolean) => {
    setTyped((now) => {
      if (now.has(id) === is) return now;
      const next = new Set(now);
      if (is) next.add(id);
      else next.delete(id);
      return next;
    });
  }, []);
  const ask = useCallback((go: () => void) => setLeaving(() => go), []);
  useLeaving(typed.size > 0 ? ask : undefined);
  return { leaving, stay: () => setLeaving(undefined), onTyped };
}

function Leave({ stay, go }: { stay: () => void; go: () => void }) {
  const { t } = useWords();
  return (
    <Dialog
      open
      headerText={t('setup.leave')}
      className="dialog"
      onClose={stay}
      footer={
        <Bar
          design="Footer"
          endContent={
            <>
              <Button design="Emphasized" onClick={stay}>
                {t('leave.stay')}
              </Button>
              <Button design="Negative" onClick={go}>
                {t('leave.discard')}
              </Button>
            </>
          }
        />
      }
    >
      <p>{t('setup.leaveSays')}</p>
    </Dialog>
  );
}
