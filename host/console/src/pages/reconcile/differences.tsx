// The differences of one comparison, by reason and words; each leads to its own page.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { differences as differencesQuery } from '../../api/queries.ts';
import type { Difference, Reason, Report } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { good, search as searchIcon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { Mark } from '../../parts/mark.tsx';
import { useNarrow } from '../../parts/narrow.ts';
import { WordsField } from '../../parts/words-field.tsx';
import { Link, useGo, useSaid, useSay } from '../../way/way.tsx';
import { number } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { all, type Chosen } from './chosen.ts';

export function Differences({ report, chosen: { flow, of } }: { report: Report; chosen: Chosen }) {
  const { t } = useWords();
  const locale = useLocale();
  const look = useSay('/reconcile/$id');
  const { why, q } = useSaid('/reconcile/$id');
  const filter = { flow: flow.flow, comparison: of.name, ...(why && { why }), ...(q && { q }) };
  const query = useInfiniteQuery({ ...differencesQuery(report.summary.name, filter), placeholderData: (old) => old });
  const narrow = useNarrow();
  const found = query.data?.pages.flatMap((page) => page.differences) ?? [];
  const change = (what: { why?: string; q?: string }, replace = false) =>
    look({ flow: flow.flow, of: of.name, why, q, ...what }, replace);

  if (all(of) === 0) {
    return <Empty icon={good} good title={t('reconcile.noDifference')} says={t('reconcile.noDifferenceSays')} />;
  }
  return (
    <div className="stack tight">
      <search className="filters beneath">
        <WordsField said={q ?? ''} label={t('reconcile.words')} onChange={(q) => change({ q }, true)} />
        <Select
          accessibleName={t('reconcile.reason')}
          value={why ?? ''}
          onChange={(event) => change({ why: event.detail.selectedOption.value ?? '' })}
        >
          <Option value="">
            {t('reconcile.whyOf', { why: t('reconcile.anyWhy'), total: number(all(of), locale) })}
          </Option>
          {of.reasons.map(({ reason, count }) => (
            <Option key={reason} value={reason}>
              {t('reconcile.whyOf', { why: t(`reconcile.why.${reason}`), total: number(count, locale) })}
            </Option>
          ))}
        </Select>
        {of.unexplained > 0 && (
          <CheckBox
            text={t('reconcile.onlyOpen')}
            checked={why === 'unexplained'}
            onChange={(event) => change({ why: event.target.checked ? 'unexplained' : '' })}
          />
        )}
      </search>
      {query.data?.pages[0]?.masked && <p className="soft beneath">{t('reconcile.hidden')}</p>}
      <Loaded query={query}>
        {() =>
          found.length === 0 ? (
            <Empty icon={searchIcon} title={t('reconcile.noneFound')} says={t('events.noneFoundSays')}>
              <Button onClick={() => change({ why: '', q: '' })}>{t('events.clear')}</Button>
            </Empty>
          ) : (
            <>
              {narrow ? <List of={found} name={report.summary.name} /> : <Wide of={found} name={report.summary.name} />}
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
    </div>
  );
}

interface Props {
  of: Difference[];
  /** The report. */
  name: string;
}

export function WhyMark({ why }: { why: Reason }) {
  const { t } = useWords();
  return <Mark tone={why === 'unexplained' ? 'bad' : 'plain'}>{t(`reconcile.why.${why}`)}</Mark>;
}

/** By what a person knows it, or its id. */
export function nameOf(of: Difference): string {
  return of.label || of.salesforce || of.b1;
}

function To({ of, name }: { of: Difference; name: string }) {
  return (
    <Link to="/reconcile/$id/$place" params={{ id: name, place: String(of.place) }}>
      {nameOf(of)}
    </Link>
  );
}

function Ids({ of }: { of: Difference }) {
  return (
    <span className="soft small code">
      {[of.salesforce, of.b1].filter((id) => id !== '' && id !== nameOf(of)).join(' · ')}
    </span>
  );
}

/** What differs: the first field, and how many more. */
function Fields({ of }: { of: Difference }) {
  const { t } = useWords();
  const [first, ...more] = of.fields ?? [];
  return (
    <div>
      {t(`reconcile.kind.${of.kind}`)}
      {first && (
        <div className="soft small words">
          {first.field}: {first.salesforce || '–'} ≠ {first.b1 || '–'}
          {more.length > 0 && <> {t('reconcile.fieldsMore', { count: more.length })}</>}
        </div>
      )}
    </div>
  );
}

function List({ of: found, name }: Props) {
  const { t } = useWords();
  return (
    <ul className="rows" aria-label={t('reconcile.differences')}>
      {found.map((one) => (
        <li key={one.place} className="row-item">
          <div className="row-what">
            <p>
              <To of={one} name={name} /> <Ids of={one} />
            </p>
            <Fields of={one} />
            <p>
              <WhyMark why={one.why} /> <span className="small">{one.reason}</span>
            </p>
          </div>
        </li>
      ))}
    </ul>
  );
}

function Wide({ of: found, name }: Props) {
  const { t } = useWords();
  const go = useGo();
  return (
    <Table
      accessibleName={t('reconcile.differences')}
      overflowMode="Popin"
      onRowClick={(event) => {
        const place = (event.detail.row as { rowKey?: string }).rowKey;
        if (place !== undefined) go({ to: '/reconcile/$id/$place', params: { id: name, place } });
      }}
      headerRow={
        <TableHeaderRow sticky>
          <TableHeaderCell minWidth="12rem" width="18rem" importance={3}>
            <span>{t('reconcile.record')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="14rem" importance={2}>
            <span>{t('reconcile.sort')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="11rem" width="14rem" importance={2}>
            <span>{t('reconcile.reason')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="16rem" importance={1}>
            <span>{t('reconcile.one.whyItIs')}</span>
          </TableHeaderCell>
        </TableHeaderRow>
      }
    >
      {found.map((one) => (
        <TableRow key={one.place} rowKey={String(one.place)} interactive>
          <TableCell>
            <div className="words">
              <To of={one} name={name} />
              <div>
                <Ids of={one} />
              </div>
            </div>
          </TableCell>
          <TableCell>
            <Fields of={one} />
          </TableCell>
          <TableCell>
            <WhyMark why={one.why} />
          </TableCell>
          <TableCell>
            <span className="words">{one.reason}</span>
          </TableCell>
        </TableRow>
      ))}
    </Table>
  );
}
