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

const PAUSE_MS = 500;
const MOST = 10;
const FIRST = 3;

interface Props {
  editing: Editing;
  section: MappingSection;
  chosen: string | undefined;
  choose: (right: string) => void;
}

export function Preview(props: Props) {
  const { editing, section } = props;
  const { t } = useWords();
  const [way, setWay] = useState<OneWay>(wayOf(section));
  const query = useQuery(mappingRecords(editing.flow, section.name, way));
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
      <Loaded query={query}>
        {(records) =>
          records.length === 0 ? (
            <p className="soft card-body">{t('preview.noRecords')}</p>
          ) : (
            <Tried key={way} {...props} way={way} records={records} />
          )
        }
      </Loaded>
    </Card>
  );
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

function Tried({ editing, section, chosen, choose, way, records }: Props & { way: OneWay; records: TryRecord[] }) {
  const { t } = useWords();
  const [ids, setIds] = useState<readonly string[]>(() => records.slice(0, FIRST).map((one) => one.id));
  const text = useCalm(editing.text);
  const query = useQuery({
    ...mappingPreview(editing.flow, { text, section: section.name, way, records: [...ids] }),
    placeholderData: (before) => before,
  });
  const tried = ids.length === 0 ? [] : (query.data ?? []);
  const toggle = (id: string) => setIds(ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id].slice(-MOST));
  return (
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
      <Problem of={query.error} />
      {tried.length > 0 && <Values of={tried} names={records} section={section} chosen={chosen} choose={choose} />}
    </>
  );
}

function Values({
  of,
  names,
  section,
  chosen,
  choose,
}: { of: Previewed[]; names: TryRecord[] } & Pick<Props, 'section' | 'chosen' | 'choose'>) {
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

/** What the source has, and what comes of it. */
function Cell({ of: record, field }: { of: Previewed; field: string }) {
  const { t } = useWords();
  const value = record.values.find((one) => one.field === field);
  if (!value) return <td className="soft">–</td>;
  if (value.not_here) return <td className="soft">{t('preview.notHere')}</td>;
  const read = [...value.rule.matchAll(/\bsource\.([A-Za-z_][\w.]*)/g)].map(([, path = '']) =>
    shown(at(record.source, path)),
  );
  const from = [...new Set(read)].join(', ');
  const same = from === shown(value.value);
  return (
    <td className={value.error === null ? undefined : 'wrong-cell'}>
      {from !== '' && !same && (
        <span className="about">
          {from} <span aria-hidden="true">→</span>
        </span>
      )}
      {value.error === null ? shown(value.value) : <span className="bad-text">{value.error}</span>}
      {value.by_plugin && <span className="about">{t('preview.byPlugin')}</span>}
    </td>
  );
}
