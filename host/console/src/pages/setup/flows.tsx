// The plugins that there are, and the flows that run them.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { Title } from '@ui5/webcomponents-react/Title';
import { useState } from 'react';
import { api } from '../../api/client.ts';
import { release as releaseQuery, setup as setupQuery } from '../../api/queries.ts';
import type { Setup, SetupFlow, SetupPlugin } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Drop } from '../../parts/drop.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Opens } from '../../parts/opens.tsx';
import { Card } from '../../parts/page.tsx';
import { say } from '../../parts/say.tsx';
import { Link } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { useGrant } from '../flows/acts.tsx';
import { Rights } from '../flows/rights.tsx';
import { SwitchOn } from './switch-on.tsx';
import { TakenUp } from './taken-up.tsx';

export function Flows({ setup }: { setup: Setup }) {
  const { t } = useWords();
  const client = useQueryClient();
  const [opened, open] = useState<{ plugin: SetupPlugin; of: SetupFlow | undefined }>();
  const send = async (file: File) => {
    const added = await api.upload<SetupPlugin>('/setup/plugins', file, 'application/wasm');
    await client.invalidateQueries({ queryKey: setupQuery.queryKey });
    say(t('setup.added', { plugin: added.title || added.plugin }));
  };
  // A flow whose plugin's file has gone stands by itself.
  const lost = setup.flows.filter((flow) => !setup.plugins.some((one) => one.plugin === flow.plugin));
  return (
    <Card title={t('setup.flows')} says={t('setup.flowsSays')}>
      <div className="stack">
        <ul className="plain plugins">
          {setup.plugins.map((plugin) => {
            const flows = setup.flows.filter((flow) => flow.plugin === plugin.plugin);
            return (
              <li key={plugin.plugin} className="plugin">
                <div className="plugin-head">
                  <div>
                    <Title level="H3" size="H6" wrappingType="Normal">
                      {plugin.title || plugin.plugin}
                    </Title>
                    <p className="soft code">{`${plugin.plugin} ${plugin.version}`}</p>
                  </div>
                  {plugin.problem === null && (
                    <Button
                      design={flows.length === 0 ? 'Default' : 'Transparent'}
                      accessibleName={t(flows.length === 0 ? 'switch.title' : 'switch.againOf', {
                        plugin: plugin.title || plugin.plugin,
                      })}
                      onClick={() => open({ plugin, of: undefined })}
                    >
                      {t(flows.length === 0 ? 'switch.go' : 'switch.again')}
                    </Button>
                  )}
                </div>
                {plugin.problem !== null && <p className="bad-text">{plugin.problem}</p>}
                {flows.map((flow) => (
                  <FlowOf key={flow.flow} of={flow} refused={setup.refused} change={() => open({ plugin, of: flow })} />
                ))}
              </li>
            );
          })}
          {lost.map((flow) => (
            <li key={flow.flow} className="plugin">
              <FlowOf of={flow} refused={setup.refused} />
            </li>
          ))}
        </ul>
        <Drop says={t('setup.drop')} send={send} />
      </div>
      {opened && <SwitchOn {...opened} setup={setup} close={() => open(undefined)} />}
    </Card>
  );
}

interface Props {
  of: SetupFlow;
  refused: string | null;
  change?: () => void;
}

function FlowOf({ of: flow, refused, change }: Props) {
  const { t } = useWords();
  const { ask, dialog } = useAct();
  const remove = () =>
    ask({
      title: t('switch.remove'),
      text: t('switch.removeText', { flow: flow.flow }),
      confirm: t('switch.remove'),
      danger: true,
      go: async () => {
        await api.remove(`/setup/flows/${encodeURIComponent(flow.flow)}`);
        return undefined;
      },
      said: t('switch.removed', { flow: flow.flow }),
    });
  const waits = !flow.live || (flow.release === null && flow.why === null);
  return (
    <section className="flow-of stack tight" aria-label={t('setup.flowOf', { flow: flow.flow })}>
      <div className="plugin-head">
        <div className="page-title">
          <strong>{flow.flow}</strong>
          <StandingMark of={flow} />
          <span className="soft">{Object.values(flow.connections).join(' ↔ ')}</span>
        </div>
        {flow.running && (
          <Link to="/flows/$id" params={{ id: flow.flow }} className="way">
            {t('flows.open')}
          </Link>
        )}
        {change && !flow.running && (
          <Button design="Transparent" accessibleName={t('switch.change', { flow: flow.flow })} onClick={change}>
            {t('change')}
          </Button>
        )}
        <Button design="Transparent" accessibleName={t('switch.removeOf', { flow: flow.flow })} onClick={remove}>
          {t('switch.remove')}
        </Button>
      </div>
      {waits && <TakenUp refused={refused} />}
      {!waits && flow.release === null && (
        <MessageStrip design="Negative" hideCloseButton>
          {flow.why}
        </MessageStrip>
      )}
      {flow.live && flow.release !== null && flow.missing > 0 && <Allow of={flow} release={flow.release} />}
      {dialog}
    </section>
  );
}

export function StandingMark({ of: flow }: { of: SetupFlow }) {
  const { t } = useWords();
  if (flow.running) return <Mark tone="good">{t('flow.is.running')}</Mark>;
  if (!flow.live) return <Mark tone="info">{t('flow.is.starting')}</Mark>;
  if (flow.missing > 0) return <Mark tone="warn">{t('setup.asks')}</Mark>;
  return flow.release === null ? (
    <Mark tone={flow.why === null ? 'info' : 'bad'}>{t(flow.why === null ? 'flow.is.starting' : 'flow.is.held')}</Mark>
  ) : (
    <Mark tone="info">{t('setup.ready')}</Mark>
  );
}

/** What the flow asks for, each with its reason, and the way to allow it. */
function Allow({ of: flow, release }: { of: SetupFlow; release: string }) {
  const { t } = useWords();
  const query = useQuery(releaseQuery(flow.flow, release));
  const { ask, dialog } = useAct();
  const grant = useGrant(ask);
  return (
    <>
      <p>{t('setup.missing', { count: flow.missing })}</p>
      <Loaded query={query}>
        {(detail) => (
          <>
            <Opens label={t('setup.rights')} open>
              <Rights of={detail.codes} />
            </Opens>
            <div>
              <Button
                design="Emphasized"
                accessibleName={t('setup.allowOf', { flow: flow.flow })}
                onClick={() => grant(flow.flow, detail)}
              >
                {t('setup.allow')}
              </Button>
            </div>
          </>
        )}
      </Loaded>
      {dialog}
    </>
  );
}
