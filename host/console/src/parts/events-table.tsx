// Events as rows: when, which flow, which record, what became of it. Each number leads to the event's story.
import { Link } from '../way/way.tsx';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { TableSelectionMulti } from '@ui5/webcomponents-react/TableSelectionMulti';
import { useWords } from '../words/words.ts';
import type { EventRow } from '../api/types.ts';
import { useNarrow } from './narrow.ts';
import { StateMark } from './state.tsx';
import { Time } from './time.tsx';

interface Props {
  events: EventRow[];
  label: string;
  selected?: ReadonlySet<number>;
  onSelect?: (ids: ReadonlySet<number>) => void;
}

export function EventsTable(props: Props) {
  return useNarrow() ? <EventList {...props} /> : <Wide {...props} />;
}

/** The same on a phone. */
function EventList({ events, label, selected, onSelect }: Props) {
  const { t } = useWords();
  const toggle = (id: number) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    onSelect?.(next);
  };
  return (
    <ul className="rows" aria-label={label}>
      {events.map((event) => (
        <li key={event.id} className={selected?.has(event.id) ? 'row-item selected' : 'row-item'}>
          {onSelect && (
            <CheckBox
              accessibleName={t('event.select', { id: String(event.id) })}
              checked={selected?.has(event.id) ?? false}
              onChange={() => toggle(event.id)}
            />
          )}
          <div className="row-what">
            <p className="row-first">
              <Link to="/events/$id" params={{ id: String(event.id) }}>
                #{event.id}
              </Link>
              <StateMark state={event.state} />
            </p>
            <p>{event.reason ?? event.topic}</p>
            <p className="soft small">
              {event.flow} · <span className="code">{event.key}</span> · <Time at={event.created_at} />
            </p>
          </div>
        </li>
      ))}
    </ul>
  );
}

function Wide({ events, label, selected, onSelect }: Props) {
  const { t } = useWords();
  const known = new Set(events.map((event) => String(event.id)));
  return (
    <Table
      accessibleName={label}
      overflowMode="Popin"
      noDataText={t('nothing')}
      features={
        selected &&
        onSelect && (
          <TableSelectionMulti
            selected={[...selected].join(' ')}
            onChange={(event) => {
              const keys = (event.target.selected ?? '').split(' ').filter((key) => known.has(key));
              onSelect(new Set(keys.map(Number)));
            }}
          />
        )
      }
      headerRow={
        <TableHeaderRow sticky>
          <TableHeaderCell minWidth="6rem" width="7rem" importance={3}>
            <span>{t('event.number')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="10rem" importance={2}>
            <span>{t('event.state')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="9rem" importance={1}>
            <span>{t('flow.one')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="13rem" width="14rem" importance={1}>
            <span>{t('event.record')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="16rem" importance={1}>
            <span>{t('event.reason')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="9rem" importance={1}>
            <span>{t('event.taken')}</span>
          </TableHeaderCell>
        </TableHeaderRow>
      }
    >
      {events.map((event) => (
        <TableRow key={event.id} rowKey={String(event.id)}>
          <TableCell>
            <Link to="/events/$id" params={{ id: String(event.id) }}>
              #{event.id}
            </Link>
          </TableCell>
          <TableCell>
            <StateMark state={event.state} />
          </TableCell>
          <TableCell>{event.flow}</TableCell>
          <TableCell>
            <span className="code">{event.key}</span>
          </TableCell>
          <TableCell>
            <span className="words">{event.reason ?? <span className="soft">{event.topic}</span>}</span>
          </TableCell>
          <TableCell>
            <Time at={event.created_at} />
          </TableCell>
        </TableRow>
      ))}
    </Table>
  );
}
