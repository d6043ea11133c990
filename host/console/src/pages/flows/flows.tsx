// Each flow with what is live and what waits.
import { useQuery } from '@tanstack/react-query';
import { Link } from '../../way/way.tsx';
import { Title } from '@ui5/webcomponents-react/Title';
import { flows as flowsQuery, overview } from '../../api/queries.ts';
import type { FlowInfo, FlowRow } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { Facts } from '../../parts/facts.tsx';
import { flows as icon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Page } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { useWords } from '../../words/words.ts';
import { ReleaseLink } from './standing.tsx';

const TONE = { running: 'good', starting: 'info', held: 'bad' } as const;

export default function Flows() {
  const { t } = useWords();
  const query = useQuery(flowsQuery);
  const rows = useQuery(overview).data?.flows;
  return (
    <Page title={t('flows.title')} says={t('flows.says')}>
      <Loaded query={query}>
        {(flows) =>
          flows.length === 0 ? (
            <Empty icon={icon} title={t('flows.none')} says={t('overview.noFlows')} />
          ) : (
            <ul className="plain cards">
              {flows.map((flow) => (
                <li key={flow.flow} className="card flow-card">
                  <FlowCard of={flow} row={rows?.find((row) => row.name === flow.flow)} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Page>
  );
}

function FlowCard({ of: flow, row }: { of: FlowInfo; row: FlowRow | undefined }) {
  const { t } = useWords();
  return (
    <>
      <div className="flow-head">
        <div>
          <Title level="H2" size="H5">
            <Link to="/flows/$id" params={{ id: flow.flow }}>
              {flow.flow}
            </Link>
          </Title>
          <p className="soft">{flow.title}</p>
        </div>
        <Mark tone={TONE[flow.state]}>{t(`flow.is.${flow.state}`)}</Mark>
      </div>
      {flow.why && <p className="bad-text">{flow.why}</p>}
      <Live of={flow} row={row} />
      <Waits of={flow} />
      <p className="actions">
        <Link to="/flows/$id" params={{ id: flow.flow }} className="way">
          {t('flows.open')}
        </Link>
        <Link to="/mapping/$id" params={{ id: flow.flow }} className="way">
          {t('flows.mapping')}
        </Link>
      </p>
    </>
  );
}

/** What is live, since when, by whom and why. */
export function Live({ of: flow, row }: { of: FlowInfo; row: FlowRow | undefined }) {
  const { t } = useWords();
  return (
    <Facts
      of={[
        [
          t('release.plugin'),
          flow.plugin && (
            <>
              {flow.plugin.name} {flow.plugin.version}
            </>
          ),
        ],
        [
          t('release.mapper'),
          flow.mapper && (
            <>
              {flow.mapper.name} {flow.mapper.version}
            </>
          ),
        ],
        [t('flow.release'), flow.live ? <ReleaseLink flow={flow.flow} release={flow.live} /> : t('flow.noRelease')],
        [
          t('release.since'),
          row?.release && (
            <>
              <Time at={row.release.since} /> {t('release.by', { who: row.release.who })}
            </>
          ),
        ],
        [t('act.why'), row?.release?.why],
        [t('flows.policy'), t(`flows.policies.${flow.policy}`)],
      ]}
    />
  );
}

/** What waits, and for what. */
export function Waits({ of: flow }: { of: FlowInfo }) {
  const { t } = useWords();
  if (!flow.candidate) return null;
  return (
    <p className="waits">
      <Mark tone="warn">{t('release.is.candidate')}</Mark>{' '}
      <ReleaseLink flow={flow.flow} release={flow.candidate.release} /> {flow.candidate.held ?? t('flows.notHeld')}
    </p>
  );
}
