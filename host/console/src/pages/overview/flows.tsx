import { Link } from '../../way/way.tsx';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { Mark } from '../../parts/mark.tsx';
import { useNarrow } from '../../parts/narrow.ts';
import { useWords } from '../../words/words.ts';
import type { FlowRow, Range, Rates } from '../../api/types.ts';
import { useLocale } from '../../parts/locale.ts';
import { Sparkline } from '../../parts/sparkline.tsx';
import { Time } from '../../parts/time.tsx';
import { number } from '../../words/format.ts';
import { GROUPS } from '../events/filter.ts';

const TONE = { running: 'good', starting: 'info', held: 'bad' } as const;
const sum = (of: number[] = []) => of.reduce((total, value) => total + value, 0);

interface Props {
  of: FlowRow[];
  rates: Rates | undefined;
  range: Range;
}

export function Flows(props: Props) {
  return useNarrow() ? <FlowList {...props} /> : <FlowTable {...props} />;
}

function FlowTable({ of, rates, range }: Props) {
  const { t } = useWords();
  return (
    <Table
      accessibleName={t('overview.flows')}
      overflowMode="Popin"
      noDataText={t('overview.noFlows')}
      headerRow={
        <TableHeaderRow>
          <TableHeaderCell minWidth="12rem" importance={3}>
            <span>{t('flow.one')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="6.5rem" width="8rem" importance={2}>
            <span>{t('flow.state')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="10rem" importance={1}>
            <span>{t('flow.done')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="7.5rem" width="9rem">
            <span>{t('flow.waiting')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="5rem" width="5.5rem">
            <span>{t('flow.reviews')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="5rem" width="5.5rem">
            <span>{t('flow.rejected')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="10rem">
            <span>{t('flow.release')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="9rem">
            <span>{t('flow.next')}</span>
          </TableHeaderCell>
        </TableHeaderRow>
      }
    >
      {of.map((flow) => (
        <TableRow key={flow.name} rowKey={flow.name}>
          <TableCell>
            <Name of={flow} />
          </TableCell>
          <TableCell>
            <How of={flow} />
          </TableCell>
          <TableCell>
            <Rate of={flow} rates={rates} range={range} />
          </TableCell>
          <TableCell>
            <div>
              <Count of={flow} what="waiting" />
              <Oldest of={flow} />
            </div>
          </TableCell>
          <TableCell>
            <Count of={flow} what="reviews" />
          </TableCell>
          <TableCell>
            <Count of={flow} what="rejected" />
          </TableCell>
          <TableCell>
            <Release of={flow} />
          </TableCell>
          <TableCell>
            <Next of={flow} />
          </TableCell>
        </TableRow>
      ))}
    </Table>
  );
}

/** The same on a phone, where a table would be a long list of single words. */
function FlowList({ of, rates, range }: Props) {
  const { t } = useWords();
  return (
    <ul className="flow-list">
      {of.map((flow) => (
        <li key={flow.name}>
          <div className="flow-head">
            <Name of={flow} />
            <How of={flow} />
          </div>
          <Rate of={flow} rates={rates} range={range} />
          <p className="flow-counts">
            {(['waiting', 'reviews', 'rejected'] as const).map((what) => (
              <span key={what}>
                <span className="soft">{t(`flow.${what}`)}</span> <Count of={flow} what={what} />
              </span>
            ))}
          </p>
          <Oldest of={flow} />
        </li>
      ))}
    </ul>
  );
}

function Name({ of: flow }: { of: FlowRow }) {
  return (
    <div>
      <Link to="/events" search={{ flow: flow.name }}>
        {flow.name}
      </Link>
      {flow.title && <div className="soft small">{flow.title}</div>}
    </div>
  );
}

function How({ of: flow }: { of: FlowRow }) {
  const { t } = useWords();
  return (
    <div>
      <Mark tone={TONE[flow.state]}>{t(`flow.is.${flow.state}`)}</Mark>
      {flow.why && <div className="small">{flow.why}</div>}
    </div>
  );
}

function Rate({ of: flow, rates, range }: { of: FlowRow; rates: Rates | undefined; range: Range }) {
  const { t } = useWords();
  const locale = useLocale();
  const say = (value: number) => number(value, locale);
  const counted = rates?.flows[flow.name];
  if (!counted) return <span>{say(flow.done)}</span>;
  const trouble = counted.review.map((value, place) => value + (counted.rejected[place] ?? 0));
  const words = { range: t(`range.${range}`), done: say(sum(counted.done)), trouble: say(sum(trouble)) };
  return (
    <div className="rate">
      <Sparkline done={counted.done} trouble={trouble} label={t('flow.rate', words)} />
      <span>{words.done}</span>
    </div>
  );
}

function Count({ of: flow, what }: { of: FlowRow; what: 'waiting' | 'reviews' | 'rejected' }) {
  const locale = useLocale();
  const shown = number(flow[what], locale);
  if (flow[what] === 0) return <span className="soft">{shown}</span>;
  if (what === 'reviews') {
    return (
      <Link to="/reviews" search={{ flow: flow.name }}>
        {shown}
      </Link>
    );
  }
  return (
    <Link to="/events" search={{ flow: flow.name, state: what === 'waiting' ? GROUPS.unfinished : 'rejected' }}>
      {shown}
    </Link>
  );
}

function Oldest({ of: flow }: { of: FlowRow }) {
  const { t } = useWords();
  if (flow.waiting === 0 || !flow.oldest) return null;
  return (
    <div className="soft small">
      {t('flow.oldest')} <Time at={flow.oldest} />
    </div>
  );
}

function Release({ of: flow }: { of: FlowRow }) {
  const { t } = useWords();
  return (
    <div>
      {flow.release ? (
        <>
          <span className="code" title={`${flow.release.digest} · ${flow.release.who}: ${flow.release.why}`}>
            {flow.release.digest.slice(0, 10)}
          </span>
          <div className="soft small">
            <Time at={flow.release.since} />
          </div>
        </>
      ) : (
        <span className="soft">{t('flow.noRelease')}</span>
      )}
      {flow.candidate && (
        <div className="small">
          {t('flow.candidate')} <span className="code">{flow.candidate.digest.slice(0, 10)}</span>
        </div>
      )}
    </div>
  );
}

function Next({ of: flow }: { of: FlowRow }) {
  if (!flow.next) return <span className="soft">–</span>;
  return (
    <div>
      <Time at={flow.next.at} />
      <div className="soft small">{flow.next.timer}</div>
    </div>
  );
}
