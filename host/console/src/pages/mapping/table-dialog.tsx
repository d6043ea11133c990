// Makes a rule translate codes: by a table that is there, or by a new one that is proposed from both systems' lists.
import { useQuery } from '@tanstack/react-query';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { useId, useState } from 'react';
import { api } from '../../api/client.ts';
import type { Edit, MappingSection, Rule, TableProposal } from '../../api/types.ts';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { useWords, type Say } from '../../words/words.ts';
import type { Editing } from './editing.ts';
import { bareRule, ruleFor } from './fields.ts';
import { rowsOfTable, tableName, tableOfRows, twice, type Row } from './rows.ts';
import { TableRows } from './table-rows.tsx';

interface Props {
  editing: Editing;
  section: MappingSection;
  rule: Rule;
  left: string;
  right: string;
  close: () => void;
}

const WHY = { 'same value': 'sameValue', 'same label': 'sameLabel', alike: 'alike' } as const;

export function TableDialog({ editing, section, rule, left, right, close }: Props) {
  const { t } = useWords();
  const id = useId();
  const known = Object.keys(editing.doc.tables);
  const [table, setTable] = useState('');
  const [name, setName] = useState(() => tableName(right, known));
  const [rows, setRows] = useState<Row[]>();
  const [b1, salesforce] = section.way === 'to-b1' ? [right, left] : [left, right];
  const query = useQuery({
    queryKey: ['mapping', editing.flow, 'proposal', section.name, b1, salesforce],
    queryFn: () =>
      api.post<TableProposal>(`/flows/${encodeURIComponent(editing.flow)}/mapping/table`, {
        section: section.name,
        b1,
        salesforce,
      }),
    staleTime: 60_000,
  });
  const proposed = query.data?.rows.map(({ code, value }) => ({ code, value })) ?? [];
  const now = rows ?? (proposed.length > 0 ? proposed : [{ code: '', value: '' }]);
  const ready =
    table !== '' ||
    (query.data !== undefined && /^\w+$/.test(name) && !known.includes(name) && twice(now).length === 0);

  const go = async () => {
    const used = table || name;
    const over = (path: string, from: 'tables' | 'reverse') => `${from}.${used}[source.${path}]`;
    await editing.edit((doc) => {
      const edits: Edit[] = table === '' ? [{ do: 'table', name, rows: tableOfRows(now) }] : [];
      const before = bareRule(ruleFor(doc, section.name, right) ?? rule);
      edits.push({
        do: 'put',
        section: section.name,
        rule:
          before.kind === 'one-way'
            ? { ...before, rule: over(left, 'tables') }
            : { ...before, to_salesforce: over(before.field, 'tables'), to_b1: over(before.salesforce, 'reverse') },
      });
      return edits;
    });
    close();
  };
  const [codes, values] = section.way === 'to-b1' ? (['salesforce', 'b1'] as const) : (['b1', 'salesforce'] as const);
  return (
    <FormDialog wide title={t('tables.use')} confirm={t('tables.take')} ready={ready} go={go} close={close}>
      <p>{t('tables.useSays', { left, right })}</p>
      {known.length > 0 && (
        <div className="field">
          <Label for={`${id}-table`} showColon>
            {t('tables.one')}
          </Label>
          <Select
            id={`${id}-table`}
            accessibleName={t('tables.one')}
            value={table}
            onChange={(event) => setTable(event.detail.selectedOption.value ?? '')}
          >
            <Option value="">{t('tables.new')}</Option>
            {known.map((one) => (
              <Option key={one} value={one}>
                {one}
              </Option>
            ))}
          </Select>
        </div>
      )}
      {table === '' ? (
        <>
          <div className="field">
            <Label for={`${id}-name`} showColon>
              {t('tables.name')}
            </Label>
            <Input
              id={`${id}-name`}
              value={name}
              valueState={known.includes(name) || !/^\w+$/.test(name) ? 'Negative' : 'None'}
              valueStateMessage={<span>{t('tables.badName')}</span>}
              onInput={(event) => setName(event.target.value)}
            />
          </div>
          <Loaded query={query}>
            {(proposal) => (
              <>
                <p className="soft">{t('tables.proposed', { count: proposal.rows.length })}</p>
                <TableRows
                  of={now}
                  onChange={setRows}
                  label={t('tables.rowsOf', { name })}
                  heads={[t(`side.${codes}`), t(`side.${values}`)]}
                  codes={proposal[codes]}
                  values={proposal[values]}
                  why={reasons(proposal, t)}
                  locked={false}
                />
              </>
            )}
          </Loaded>
        </>
      ) : (
        <TableRows
          of={rowsOfTable(editing.doc.tables[table] ?? {})}
          onChange={() => undefined}
          label={t('tables.rowsOf', { name: table })}
          heads={[t('tables.codes'), t('tables.values')]}
          locked
        />
      )}
    </FormDialog>
  );
}

/** Why each row was proposed, by its code. */
function reasons(of: TableProposal, t: Say): ReadonlyMap<string, string> {
  return new Map(
    of.rows.map((row) => {
      const why = WHY[row.why];
      return [row.code, t(`tables.why.${why}`)];
    }),
  );
}
