// Whether both sides agree: the last report in plain words, those before it, and one that is asked for now.
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { useEffect, useRef, type ReactNode } from 'react';
import { reconcile as reconcileQuery, report as reportQuery, reports as reportsQuery } from '../../api/queries.ts';
import type { ReportRow } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { reconcile as icon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { Card, Page } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { Link } from '../../way/way.tsx';
import { day, exact } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { Comparisons } from './comparisons.tsx';
import { UnderWay } from './under-way.tsx';
import { Verdict, verdict, VerdictMark } from './verdict.tsx';

export default function Reconcile() {
  const { t } = useWords();
  const client = useQueryClient();
  const standing = useQuery(reconcileQuery);
  const query = useInfiniteQuery(reportsQuery);
  const made = standing.data?.run?.report;
  const known = useRef(made);
  useEffect(() => {
    // One is through: it is in the list now.
    if (made && made !== known.current) void client.invalidateQueries({ queryKey: reportsQuery.queryKey });
    known.current = made;
  }, [client, made]);
  const [last, ...earlier] = query.data?.pages.flatMap((page) => page.reports) ?? [];
  return (
    <Page
      title={t('reconcile.title')}
      says={
        <>
          {t('reconcile.says')} {standing.data && <Next at={standing.data.next} />}
        </>
      }
    >
      <Loaded query={query}>
        {() =>
          last ? (
            <Last of={last} />
          ) : (
            <section className="card">
              <Empty icon={icon} title={t('reconcile.none')} says={t('reconcile.noneSays')} />
            </section>
          )
        }
      </Loaded>
      <Loaded query={standing}>{(standing) => <UnderWay of={standing} />}</Loaded>
      {earlier.length > 0 && (
        <Earlier of={earlier}>
          {query.hasNextPage && (
            <div className="more">
              <Button disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                {t('more')}
              </Button>
            </div>
          )}
        </Earlier>
      )}
    </Page>
  );
}

/** When the next one is made by itself. */
function Next({ at }: { at: string | null }) {
  const { t } = useWords();
  const locale = useLocale();
  return at === null ? t('reconcile.noSchedule') : t('reconcile.next', { at: exact(at, locale) });
}

function Last({ of: row }: { of: ReportRow }) {
  const { t } = useWords();
  const locale = useLocale();
  const query = useQuery(reportQuery(row.name));
  return (
    <Card
      title={t('reconcile.last')}
      says={
        <>
          <Time at={row.at} /> · {exact(row.at, locale)}
          {row.since !== null && <> · {t('reconcile.sinceSaid', { day: day(row.since, locale) })}</>}
        </>
      }
      actions={
        <Link to="/reconcile/$id" params={{ id: row.name }} className="way">
          {t('reconcile.open')}
        </Link>
      }
      flush
    >
      <Verdict of={row} />
      <Loaded query={query}>{(report) => <Comparisons of={report} />}</Loaded>
    </Card>
  );
}

function Earlier({ of: rows, children }: { of: ReportRow[]; children: ReactNode }) {
  const { t } = useWords();
  const locale = useLocale();
  return (
    <Card title={t('reconcile.earlier')} flush>
      <ul className="rows" aria-label={t('reconcile.earlier')}>
        {rows.map((row) => (
          <li key={row.name} className="row-item">
            <div className="row-what">
              <p className="row-first">
                <Link to="/reconcile/$id" params={{ id: row.name }}>
                  {exact(row.at, locale)}
                </Link>
                <VerdictMark of={row} />
              </p>
              <p>{verdict(row, t)}</p>
              <p className="soft small">
                {row.flows.join(', ')}
                {row.since !== null && <> · {t('reconcile.sinceSaid', { day: day(row.since, locale) })}</>}
              </p>
            </div>
          </li>
        ))}
      </ul>
      {children}
    </Card>
  );
}
