// The first load on the flow's page: folded, except where something of it goes on or was broken off.
import { useQuery } from '@tanstack/react-query';
import { load as loadQuery } from '../../api/queries.ts';
import type { Load } from '../../api/types.ts';
import { FirstLoad } from '../../parts/first-load.tsx';
import { useMay } from '../../parts/me.ts';
import { Opens } from '../../parts/opens.tsx';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { Time } from '../../parts/time.tsx';
import { useWords } from '../../words/words.ts';

export function FlowLoad({ flow, live }: { flow: string; live: boolean }) {
  const { t } = useWords();
  const may = useMay('operator');
  const query = useQuery(loadQuery(flow));
  const { data: of, dataUpdatedAt: at } = query;
  if (!of) return <Problem of={query.error} />;
  // Nothing to see: none was asked for, and this person may not ask for one, or the flow needs none.
  if (of.load === null && of.rehearsal === null && (!may || of.offers.length === 0)) return null;
  return (
    <Card
      title={t('setup.load')}
      {...(of.offers.length > 0 && { says: t('load.offers', { kinds: of.offers.join(', ') }) })}
    >
      <Problem of={query.error} />
      <Opens label={<Standing of={of} />} open={isUnderWay(of)}>
        <FirstLoad of={of} live={live} at={at} />
      </Opens>
    </Card>
  );
}

/** How what was asked for last stands. */
function Standing({ of: { load, rehearsal } }: { of: Load }) {
  const { t } = useWords();
  if (rehearsal !== null && (load === null || load.began_at < rehearsal.began_at)) {
    const state = t(`load.rehearsalIs.${rehearsal.state}`);
    return rehearsal.state === 'over' ? <At what={state} at={rehearsal.began_at} /> : state;
  }
  if (load === null) return t('load.never');
  const state = t(`load.is.${load.state}`);
  return load.state === 'over' ? <At what={state} at={load.ended_at ?? load.began_at} /> : state;
}

function At({ what, at }: { what: string; at: string }) {
  return (
    <>
      {what}, <Time key={at} at={at} />
    </>
  );
}

function isUnderWay({ load, rehearsal }: Load): boolean {
  return rehearsal?.state === 'goes-on' || (load !== null && load.state !== 'over');
}
