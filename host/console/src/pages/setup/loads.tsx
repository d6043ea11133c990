// The first load of each flow that offers one, and the way to make each live.
import { useQuery } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Title } from '@ui5/webcomponents-react/Title';
import { useId } from 'react';
import { load as loadQuery } from '../../api/queries.ts';
import type { Setup, SetupFlow, SetupPlugin } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Empty } from '../../parts/empty.tsx';
import { FirstLoad } from '../../parts/first-load.tsx';
import { flows as icon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Card } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';
import { DoneStrip, useActivate } from '../flows/acts.tsx';
import { StandingMark } from './flows.tsx';

export function Loads({ setup }: { setup: Setup }) {
  const { t } = useWords();
  return (
    <Card title={t('setup.load')} says={t('setup.loadSays')}>
      {setup.flows.length === 0 ? (
        <Empty icon={icon} title={t('load.none')} says={t('load.noneSays')} />
      ) : (
        <ul className="plain plugins">
          {setup.flows.map((flow) => (
            <li key={flow.flow} className="plugin">
              <One of={flow} plugin={setup.plugins.find((one) => one.plugin === flow.plugin)} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function One({ of: flow, plugin }: { of: SetupFlow; plugin: SetupPlugin | undefined }) {
  const { t } = useWords();
  const title = useId();
  const { ask, dialog } = useAct();
  const { activate, done } = useActivate(ask);
  const offers = plugin?.first_load ?? [];
  const known = flow.live && flow.release !== null;
  const ready = known && flow.missing === 0;
  const goLive = () => activate(flow.flow, flow.release ?? '', null, t('setup.why'));
  return (
    <section className="stack tight" aria-labelledby={title}>
      <div className="plugin-head">
        <div>
          <div className="page-title">
            <Title id={title} level="H3" size="H6" wrappingType="Normal">
              {flow.flow}
            </Title>
            <StandingMark of={flow} />
          </div>
          <p className="soft">
            {plugin?.title}
            {' · '}
            {offers.length === 0 ? t('load.offersNone') : t('load.offers', { kinds: offers.join(', ') })}
          </p>
        </div>
        {!flow.running && (
          <Button
            accessibleName={t('load.goLiveOf', { flow: flow.flow })}
            disabled={!ready}
            onClick={goLive}
            design={offers.length === 0 ? 'Emphasized' : 'Default'}
          >
            {t('release.activate')}
          </Button>
        )}
      </div>
      <DoneStrip of={done} />
      {!ready && !flow.running && <Waits of={flow} />}
      {known && offers.length > 0 && <Offered flow={flow} />}
      {dialog}
    </section>
  );
}

/** Why it cannot be made live yet. */
function Waits({ of: flow }: { of: SetupFlow }) {
  const { t } = useWords();
  if (flow.live && flow.release === null && flow.why !== null) return <p className="bad-text">{flow.why}</p>;
  return <p className="soft">{t(flow.missing > 0 ? 'load.needsRights' : 'load.needsHost')}</p>;
}

function Offered({ flow }: { flow: SetupFlow }) {
  const query = useQuery(loadQuery(flow.flow));
  return (
    <Loaded query={query}>{(load) => <FirstLoad of={load} live={flow.running} at={query.dataUpdatedAt} />}</Loaded>
  );
}
