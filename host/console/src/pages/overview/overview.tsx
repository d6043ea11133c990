// What needs a person, first; then each flow and each connection.
import { useQuery } from '@tanstack/react-query';
import { useGo, useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useWords } from '../../words/words.ts';
import { overview, rates } from '../../api/queries.ts';
import type { Range } from '../../api/types.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { maySetUp, useMe } from '../../parts/me.ts';
import { Mark } from '../../parts/mark.tsx';
import { Card, Page } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { Connections } from './connections.tsx';
import { Flows } from './flows.tsx';
import { Needs } from './needs.tsx';

const RANGES: readonly Range[] = ['hour', 'day', 'week'];

export default function Overview() {
  const { t } = useWords();
  const look = useSay('/');
  const asked = useSaid('/').range;
  const range = RANGES.find((one) => one === asked) ?? 'day';
  const query = useQuery(overview);
  const counted = useQuery(rates(range)).data;
  const host = query.data?.host;
  return (
    <Page
      title={t('overview.title')}
      mark={host && !host.ready && <Mark tone="bad">{t('overview.notReady')}</Mark>}
      says={
        host && (
          <>
            Tandem {host.version} · {t('overview.since')} <Time at={host.started_at} />
            {host.backup && (
              <>
                {' '}
                · {t('overview.backup')} <Time at={host.backup} />
              </>
            )}
          </>
        )
      }
    >
      <Loaded query={query}>
        {(data) => (
          <>
            {data.flows.length === 0 && <Begin />}
            {(data.flows.length > 0 || data.needs.length > 0) && <Needs of={data} />}
            <Card
              title={t('overview.flows')}
              actions={
                <SegmentedButton accessibleName={t('overview.range')}>
                  {RANGES.map((one) => (
                    <SegmentedButtonItem
                      key={one}
                      selected={one === range}
                      onClick={() => look(one === 'day' ? {} : { range: one }, true)}
                    >
                      {t(`range.${one}`)}
                    </SegmentedButtonItem>
                  ))}
                </SegmentedButton>
              }
              flush
            >
              <Flows of={data.flows} rates={counted} range={range} />
            </Card>
            {data.connections.length + data.sources.length > 0 && <Connections of={data} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** A host on which nothing is set up leads whoever may do that to the assistant. */
function Begin() {
  const { t } = useWords();
  const go = useGo();
  if (!maySetUp(useMe())) return null;
  return (
    <MessageStrip design="Information" hideCloseButton hideIcon>
      <div className="begin">
        <span>{t('overview.begin')}</span>
        <Button design="Emphasized" onClick={() => go({ to: '/setup' })}>
          {t('overview.beginGo')}
        </Button>
      </div>
    </MessageStrip>
  );
}
