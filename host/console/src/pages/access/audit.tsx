import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { auditChain, audit as auditQuery } from '../../api/queries.ts';
import { Empty } from '../../parts/empty.tsx';
import { search as searchIcon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Card } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { WordsField } from '../../parts/words-field.tsx';

const TONE = { done: 'good', refused: 'warn', failed: 'bad' } as const;

/** Breaks that are named. */
const SHOWN = 10;

export function Audit() {
  const { t } = useWords();
  const look = useSay('/access');
  const { q, who } = useSaid('/access');
  const query = useInfiniteQuery({ ...auditQuery({ q, who }), placeholderData: (before) => before });
  const acts = query.data?.pages.flatMap((page) => page.acts) ?? [];
  return (
    <Card
      title={t('access.audit')}
      says={t('audit.says')}
      actions={
        <>
          <WordsField said={q ?? ''} label={t('audit.words')} onChange={(q) => look({ tab: 'audit', who, q }, true)} />
          <a className="way" href="/api/v1/audit.csv" download>
            {t('audit.csv')}
          </a>
        </>
      }
      flush
    >
      <Chain />
      <Loaded query={query}>
        {() =>
          acts.length === 0 ? (
            <Empty icon={searchIcon} title={t('audit.none')} says={t('events.noneFoundSays')} />
          ) : (
            <>
              <Table
                accessibleName={t('access.audit')}
                overflowMode="Popin"
                headerRow={
                  <TableHeaderRow>
                    <TableHeaderCell minWidth="9rem" width="10rem" importance={2}>
                      <span>{t('audit.at')}</span>
                    </TableHeaderCell>
                    <TableHeaderCell minWidth="10rem" width="13rem" importance={3}>
                      <span>{t('audit.who')}</span>
                    </TableHeaderCell>
                    <TableHeaderCell minWidth="16rem" importance={1}>
                      <span>{t('audit.what')}</span>
                    </TableHeaderCell>
                    <TableHeaderCell minWidth="12rem">
                      <span>{t('act.why')}</span>
                    </TableHeaderCell>
                    <TableHeaderCell minWidth="7rem" width="8rem">
                      <span>{t('audit.outcome')}</span>
                    </TableHeaderCell>
                  </TableHeaderRow>
                }
              >
                {acts.map((act) => (
                  <TableRow key={act.id} rowKey={String(act.id)}>
                    <TableCell>
                      <Time at={act.at} />
                    </TableCell>
                    <TableCell>
                      <div>
                        {act.who}
                        <div className="soft small">
                          {t(`audit.via.${act.via}`)}
                          {act.address && <> · {act.address}</>}
                          {act.client && <> · {act.client}</>}
                        </div>
                      </div>
                    </TableCell>
                    <TableCell>
                      <span className="words">
                        <strong>{act.act}</strong> {act.what}
                      </span>
                    </TableCell>
                    <TableCell>
                      <span className="words">{act.why ?? <span className="soft">–</span>}</span>
                    </TableCell>
                    <TableCell>
                      <Mark tone={TONE[act.outcome]}>{t(`audit.is.${act.outcome}`)}</Mark>
                    </TableCell>
                  </TableRow>
                ))}
              </Table>
              {query.hasNextPage && (
                <div className="more">
                  <Button disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                    {t('more')}
                  </Button>
                </div>
              )}
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

/** Whether anybody changed the trail; nothing while that is not known. */
function Chain() {
  const { t } = useWords();
  const { data } = useQuery(auditChain);
  if (!data) return null;
  if (data.holds) {
    return (
      <p className="soft small chain">
        <Mark tone="good">{t('audit.holds')}</Mark> {t('audit.holdsSays', { lines: data.lines })}
      </p>
    );
  }
  const { breaks } = data;
  const more = breaks.length - SHOWN + data.breaks_more;
  return (
    <div className="small chain" role="alert">
      <Mark tone="bad">{t('audit.broken')}</Mark> {t('audit.brokenSays')}
      <ul>
        {breaks.slice(0, SHOWN).map((own) => (
          <li key={`${own.line} ${own.says}`}>{t(`audit.wrong.${own.wrong}`, { line: own.line })}</li>
        ))}
        {more > 0 && <li>{t('audit.brokenMore', { more })}</li>}
      </ul>
    </div>
  );
}
