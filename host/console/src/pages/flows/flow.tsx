// One flow: what is live, its first load, its releases, its settings and what it may.
import { useQuery } from '@tanstack/react-query';
import { Link, useId, useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { flows as flowsQuery, overview, release as releaseQuery, releases } from '../../api/queries.ts';
import type { FlowInfo } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Mark } from '../../parts/mark.tsx';
import { useMay } from '../../parts/me.ts';
import { NotFound } from '../../parts/no-page.tsx';
import { Card, Page } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';
import { DoneStrip, useRollBack } from './acts.tsx';
import { DropPlugin } from './drop.tsx';
import { Live, Waits } from './flows.tsx';
import { ReleaseList } from './list.tsx';
import { FlowLoad } from './load.tsx';
import { Rights } from './rights.tsx';
import { Settings } from './settings.tsx';

const TABS = ['releases', 'settings', 'rights'] as const;
const TONE = { running: 'good', starting: 'info', held: 'bad' } as const;

export default function Flow() {
  const id = useId();
  const query = useQuery(flowsQuery);
  return (
    <Loaded query={query}>
      {(flows) => {
        const flow = flows.find((one) => one.flow === id);
        return flow ? <Told of={flow} /> : <NotFound />;
      }}
    </Loaded>
  );
}

function Told({ of: flow }: { of: FlowInfo }) {
  const { t } = useWords();
  const look = useSay('/flows/$id');
  const search = useSaid('/flows/$id');
  const tab = TABS.find((one) => one === search.tab) ?? 'releases';
  const row = useQuery(overview).data?.flows.find((one) => one.name === flow.flow);
  const mayAct = useMay('operator');
  const mayUpload = useMay('admin');
  const { ask, dialog } = useAct();
  const { rollBack, done } = useRollBack(ask);
  return (
    <Page
      title={flow.flow}
      mark={<Mark tone={TONE[flow.state]}>{t(`flow.is.${flow.state}`)}</Mark>}
      says={flow.title ?? ''}
      actions={
        <>
          <Link to="/mapping/$id" params={{ id: flow.flow }} className="way">
            {t('flows.mapping')}
          </Link>
          {mayAct && flow.live && flow.back && (
            <Button onClick={() => rollBack(flow.flow, flow.live ?? '', flow.back ?? '')}>{t('release.back')}</Button>
          )}
        </>
      }
    >
      <DoneStrip of={done} />
      <Card title={t('flows.now')}>
        <div className="stack">
          {flow.why && <p className="bad-text">{flow.why}</p>}
          <Live of={flow} row={row} />
          <Waits of={flow} />
        </div>
      </Card>
      <FlowLoad flow={flow.flow} live={flow.live !== null} />
      <div>
        <SegmentedButton accessibleName={t('flows.parts')}>
          {TABS.map((one) => (
            <SegmentedButtonItem
              key={one}
              selected={one === tab}
              onClick={() => look(one === 'releases' ? {} : { tab: one })}
            >
              {t(`flows.${one}`)}
            </SegmentedButtonItem>
          ))}
        </SegmentedButton>
      </div>
      {tab === 'releases' && (
        <>
          {mayUpload && <DropPlugin flow={flow.flow} />}
          <Releases flow={flow.flow} />
        </>
      )}
      {tab === 'settings' && flow.live && <Settings flow={flow.flow} live={flow.live} mayAct={mayAct} />}
      {tab === 'rights' && flow.live && <LiveRights flow={flow.flow} live={flow.live} />}
      {dialog}
    </Page>
  );
}

function Releases({ flow }: { flow: string }) {
  const { t } = useWords();
  const query = useQuery(releases(flow));
  return (
    <Card title={t('flows.releases')} says={t('flows.releasesSays')} flush>
      <Loaded query={query}>{(found) => <ReleaseList flow={flow} of={found} />}</Loaded>
    </Card>
  );
}

function LiveRights({ flow, live }: { flow: string; live: string }) {
  const { t } = useWords();
  const query = useQuery(releaseQuery(flow, live));
  return (
    <Card title={t('flows.rights')} says={t('rights.says')} flush>
      <Loaded query={query}>{(detail) => <Rights of={detail.codes} />}</Loaded>
    </Card>
  );
}
