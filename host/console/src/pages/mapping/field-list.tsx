// The fields of one side. One stop for the Tab key: the arrows go from field to field, Enter takes one.
import { useQueries } from '@tanstack/react-query';
import { Title } from '@ui5/webcomponents-react/Title';
import { useId, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { mappingFields } from '../../api/queries.ts';
import type { Field } from '../../api/types.ts';
import { Mark } from '../../parts/mark.tsx';
import { useWords, type Say } from '../../words/words.ts';
import { found, rowsOf, type FieldRow } from './fields.ts';

/** What a rule says of a field; an arrow where its words do not have one. */
export interface Ruled {
  words: string;
  arrow: boolean;
  problem: string | null;
}

interface Props {
  side: 'left' | 'right';
  title: string;
  /** What stands below the title: the object. */
  object: string;
  fields: readonly Field[];
  /** Where related records are read; absent where a path may not lead through them. */
  related?: { flow: string; section: string };
  chosen: string | undefined;
  choose: (path: string) => void;
  /** What the rule of a field says. */
  ruled: ReadonlyMap<string, Ruled>;
  /** Fields that no rule may set. */
  reserved: ReadonlySet<string>;
  locked: boolean;
  onDrag?: (path: string, event: PointerEvent) => void;
  /** Told when rows come, go or move. */
  onMove?: () => void;
}

export function FieldList(props: Props) {
  const { side, title, object, fields, related, onMove } = props;
  const { t } = useWords();
  const [words, setWords] = useState('');
  const [opened, setOpened] = useState<ReadonlyMap<string, string>>(new Map());
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const searchId = useId();
  const inner = useOpened(related, opened);
  const rows = found(rowsOf(fields, inner), words);
  const now = Math.min(at, rows.length - 1);

  const toggle = (row: FieldRow) => {
    const { leads, field } = row;
    if (!related || leads === undefined || !field.relation) return;
    const next = new Map(opened);
    if (!next.delete(leads)) next.set(leads, field.relation.object);
    setOpened(next);
  };
  const move = (to: number) => {
    const place = Math.max(0, Math.min(rows.length - 1, to));
    setAt(place);
    list.current?.querySelectorAll<HTMLElement>('.field-main')[place]?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined || !(event.target as HTMLElement).classList.contains('field-main')) return;
    event.preventDefault();
    move(to);
  };

  return (
    <section className="fields-side" aria-label={title}>
      <Title level="H3" size="H5">
        {title}
      </Title>
      <p className="soft small code">{object}</p>
      <label className="sr-only" htmlFor={searchId}>
        {t(side === 'left' ? 'map.searchLeft' : 'map.searchRight')}
      </label>
      <input
        id={searchId}
        className="plain-input"
        type="search"
        placeholder={t('map.search')}
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown') return;
          event.preventDefault();
          move(0);
        }}
      />
      {rows.length === 0 ? (
        <p className="soft field-none">{t('map.noField')}</p>
      ) : (
        <ul className="field-list" ref={list} onKeyDown={onKey} onScroll={onMove}>
          {rows.map((row, place) => (
            <FieldItem
              key={row.path}
              row={row}
              current={place === now}
              onFocus={() => setAt(place)}
              toggle={toggle}
              isOpen={row.leads !== undefined && opened.has(row.leads)}
              {...props}
            />
          ))}
        </ul>
      )}
    </section>
  );
}

function useOpened(
  related: Props['related'],
  opened: ReadonlyMap<string, string>,
): ReadonlyMap<string, readonly Field[]> {
  const paths = [...opened];
  const answers = useQueries({
    queries: paths.map(([, object]) => mappingFields(related?.flow ?? '', related?.section ?? '', object)),
  });
  return new Map(paths.map(([path], place) => [path, answers[place]?.data?.salesforce ?? []]));
}

interface ItemProps extends Props {
  row: FieldRow;
  current: boolean;
  isOpen: boolean;
  onFocus: () => void;
  toggle: (row: FieldRow) => void;
}

function FieldItem({
  row,
  current,
  isOpen,
  onFocus,
  toggle,
  side,
  chosen,
  choose,
  ruled,
  reserved,
  related,
  locked,
  onDrag,
}: ItemProps) {
  const { t } = useWords();
  const [values, showValues] = useState(false);
  const { path, field, depth, leads } = row;
  const rule = ruled.get(path);
  const taken = side === 'right' && (reserved.has(field.name) || !field.settable);
  const classes = [
    'field-row',
    `deep-${Math.min(depth, 3)}`,
    chosen === path && 'chosen',
    rule && 'ruled',
    rule?.problem && 'wrong',
    taken && 'taken',
  ];
  const stop = current ? 0 : -1;
  return (
    <li className={classes.filter(Boolean).join(' ')} data-side={side} data-path={path} data-leads={leads}>
      <button
        type="button"
        className="field-main"
        tabIndex={stop}
        aria-pressed={chosen === path}
        aria-disabled={taken}
        onFocus={onFocus}
        onClick={() => !taken && choose(path)}
        onPointerDown={(event) => !locked && !taken && onDrag?.(path, event)}
      >
        <span className="field-name">
          <span className="field-label">{field.label}</span> {field.custom && <Mark tone="plain">{t('map.own')}</Mark>}{' '}
          {field.required && side === 'right' && <Mark tone="warn">{t('map.required')}</Mark>}
        </span>
        <span className="field-facts">
          <span className="code">{path}</span> · {typeOf(field, t)}
        </span>
        {taken && <span className="field-rule">{t(reserved.has(field.name) ? 'map.reserved' : 'map.readOnly')}</span>}
        {rule && side === 'right' && (
          <span className="field-rule">
            {rule.arrow && <span aria-hidden="true">← </span>}
            <span className="code">{rule.words}</span>
            {rule.problem && <span className="bad-text"> {rule.problem}</span>}
          </span>
        )}
      </button>
      {(field.values !== null || (related && leads !== undefined)) && (
        <span className="field-more">
          {field.values !== null && (
            <button
              type="button"
              className="link-button"
              tabIndex={stop}
              aria-expanded={values}
              onClick={() => showValues(!values)}
            >
              {t('map.values', { count: field.values.length })}
            </button>
          )}
          {related && leads !== undefined && (
            <button
              type="button"
              className="link-button"
              tabIndex={stop}
              aria-expanded={isOpen}
              onClick={() => toggle(row)}
            >
              {t(isOpen ? 'map.closeRelated' : 'map.openRelated', { object: field.relation?.object ?? '' })}
            </button>
          )}
        </span>
      )}
      {values && (
        <ul className="field-values">
          {field.values?.map((one) => (
            <li key={one.value}>
              <span className="code">{one.value}</span>
              {one.label !== one.value && ` ${one.label}`}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

const TYPES = {
  string: 'text',
  number: 'number',
  date: 'date',
  datetime: 'datetime',
  boolean: 'boolean',
  picklist: 'picklist',
  reference: 'reference',
  id: 'id',
  phone: 'phone',
  email: 'email',
  url: 'url',
  time: 'time',
  composed: 'composed',
  missing: 'missing',
} as const;

/** A field's type and length in words; a type that has none is said as the system calls it. */
export function typeOf(field: Field, t: Say): string {
  const known = TYPES[field.type as keyof typeof TYPES];
  const type = known === undefined ? field.type : t(`type.${known}`);
  return field.length === null ? type : `${type} ${field.length}`;
}
