// What needs a person, first; then each flow and each connection.
import { useQuery } from '@tanstack/react-query';
import { useSaid, useSay } from '../../way/way.tsx';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useWords } from '../../words/words.ts';
import { overview, rates } from '../../api/queries.ts';
import type { Range } from '../../api/types.ts';
import { Loaded } from '../../parts/loaded.tsx';
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
          </>
        )
      }
    >
      <Loaded query={query}>
        {(data) => (
          <>
            <Needs of={data} />
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
            <Connections of={data} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
