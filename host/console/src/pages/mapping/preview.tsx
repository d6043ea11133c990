// What the rules give for real records, as one edits.
import { useQuery } from '@tanstack/react-query';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useEffect, useState } from 'react';
import { mappingPreview, mappingRecords } from '../../api/queries.ts';
import type { MappingSection, OneWay, Previewed, TryRecord } from '../../api/types.ts';
import { shown } from '../../parts/json.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Opens } from '../../parts/opens.tsx';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { useWords } from '../../words/words.ts';
import type { Editing } from './editing.ts';
import { at, joins, wayOf } from './fields.ts';
import { useLast } from './last.ts';

const PAUSE_MS = 500;
const MOST = 10;
const FIRST = 3;

/** The records on which rules are tried, and what comes of them. */
export interface Tried {
  way: OneWay;
  setWay: (way: OneWay) => void;
  records: { data: TryRecord[] | undefined; error: unknown };
  ids: readonly string[];
  toggle: (id: string) => void;
  found: readonly Previewed[];
  error: unknown;
}

export function useTried(editing: Editing, section: MappingSection): Tried {
  const [way, setWay] = useState<OneWay>(wayOf(section));
  const [chosen, setChosen] = useState<readonly string[]>();
  const records = useQuery({ ...mappingRecords(editing.flow, section.name, way), enabled: editing.may });
  const text = useCalm(editing.text);
  const ids = chosen ?? records.data?.slice(0, FIRST).map((one) => one.id) ?? [];
  const query = useQuery({
    ...mappingPreview(editing.flow, { text, section: section.name, way, records: [...ids] }),
    placeholderData: (before) => before,
  });
  const last = useLast(query.data);
  return {
    way,
    setWay: (next) => {
      setWay(next);
      setChosen(undefined);
    },
    records,
    ids,
    toggle: (id) => setChosen(ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id].slice(-MOST)),
    found: ids.length === 0 ? [] : (last ?? []).filter((one) => ids.includes(one.record)),
    error: query.error,
  };
}

/** A text as it is once nobody typed for a while. */
function useCalm(text: string): string {
  const [calm, setCalm] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setCalm(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return calm;
}

interface Props {
  tried: Tried;
  section: MappingSection;
  chosen: string | undefined;
  choose: (right: string) => void;
}

export function Preview({ tried, section, chosen, choose }: Props) {
  const { t } = useWords();
  const { way, setWay, ids, toggle, found } = tried;
  return (
    <Card
      title={t('preview.title')}
      says={t('preview.says')}
      flush
      actions={
        section.way === 'both' && (
          <SegmentedButton accessibleName={t('preview.way')}>
            {(['to-b1', 'to-salesforce'] as const).map((one) => (
              <SegmentedButtonItem key={one} selected={one === way} onClick={() => setWay(one)}>
                {t(`preview.${one}`)}
              </SegmentedButtonItem>
            ))}
          </SegmentedButton>
        )
      }
    >
      <Loaded query={tried.records}>
        {(records) =>
          records.length === 0 ? (
            <p className="soft card-body">{t('preview.noRecords')}</p>
          ) : (
            <>
              <div className="preview-records">
                <Opens label={t('preview.records', { count: ids.length })}>
                  <div className="checks wide-checks">
                    {records.map((one) => (
                      <CheckBox
                        key={one.id}
                        text={one.words || one.id}
                        checked={ids.includes(one.id)}
                        disabled={!ids.includes(one.id) && ids.length >= MOST}
                        onChange={() => toggle(one.id)}
                      />
                    ))}
                  </div>
                </Opens>
              </div>
              <Problem of={tried.error} />
              {found.length > 0 && (
                <Values of={found} names={records} section={section} chosen={chosen} choose={choose} />
              )}
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

/** What one rule gives, for the panel beside it. */
export function ValuesOf({ tried, fields }: { tried: Tried; fields: readonly string[] }) {
  const { t } = useWords();
  const told = tried.found.flatMap((record) => {
    const field = fields.find((one) => record.values.some((value) => value.field === one));
    return field === undefined ? [] : [{ record, field }];
  });
  if (told.length === 0) return null;
  return (
    <div className="tried">
      <p className="soft">{t('preview.these')}</p>
      <ul className="plain">
        {told.map(({ record, field }) => (
          <li key={record.record}>
            <span className="soft small">
              {tried.records.data?.find((one) => one.id === record.record)?.words ?? record.record}
            </span>
            <Value of={record} field={field} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function Values({
  of,
  names,
  section,
  chosen,
  choose,
}: { of: readonly Previewed[]; names: TryRecord[] } & Pick<Props, 'section' | 'chosen' | 'choose'>) {
  const { t } = useWords();
  const fields = [...new Set(of.flatMap((record) => record.values.map((one) => one.field)))];
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t('preview.title')}>
      <table className="fields preview">
        <thead>
          <tr>
            <th scope="col">{t('field.one')}</th>
            {of.map((record) => (
              <th key={record.record} scope="col">
                {names.find((one) => one.id === record.record)?.words ?? record.record}
                <span className="about code">{record.record}</span>
                {record.error !== null && <span className="about bad-text">{record.error}</span>}
                {record.mapper && <span className="about">{t('preview.mapper')}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => {
            const rule = section.rules.find((one) => one.field === field || joins(one).right === field);
            const right = rule && joins(rule).right;
            return (
              <tr key={field} className={right !== undefined && right === chosen ? 'changed chosen-row' : undefined}>
                <th scope="row">
                  {right === undefined ? (
                    field
                  ) : (
                    <button type="button" className="link-button" onClick={() => choose(right)}>
                      {field}
                    </button>
                  )}
                </th>
                {of.map((record) => (
                  <Cell key={record.record} of={record} field={field} />
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ of: record, field }: { of: Previewed; field: string }) {
  const wrong = record.values.find((one) => one.field === field)?.error;
  return (
    <td className={wrong === null || wrong === undefined ? undefined : 'wrong-cell'}>
      <Value of={record} field={field} />
    </td>
  );
}

/** What the source has, and what comes of it. */
function Value({ of: record, field }: { of: Previewed; field: string }) {
  const { t } = useWords();
  const value = record.values.find((one) => one.field === field);
  if (!value) return <span className="soft">–</span>;
  if (value.not_here) return <span className="soft">{t('preview.notHere')}</span>;
  const read = [...value.rule.matchAll(/\bsource\.([A-Za-z_][\w.]*)/g)].map(([, path = '']) =>
    shown(at(record.source, path)),
  );
  const from = [...new Set(read)].join(', ');
  const same = from === shown(value.value);
  return (
    <span>
      {from !== '' && !same && (
        <span className="about">
          {from} <span aria-hidden="true">→</span>
        </span>
      )}
      {value.error === null ? shown(value.value) : <span className="bad-text">{value.error}</span>}
      {value.by_plugin && <span className="about">{t('preview.byPlugin')}</span>}
    </span>
  );
}
