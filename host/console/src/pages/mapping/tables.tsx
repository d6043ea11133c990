// All code tables of a mapping.
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { useEffect, useId, useRef, useState } from 'react';
import { Empty } from '../../parts/empty.tsx';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { mapping as icon } from '../../parts/icons.ts';
import { Card } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';
import type { Editing } from './editing.ts';
import { rowsOfTable, tableOfRows, twice, type Row } from './rows.ts';
import { TableRows } from './table-rows.tsx';

const PAUSE_MS = 500;

export function Tables({ editing }: { editing: Editing }) {
  const { t } = useWords();
  const [asking, setAsking] = useState(false);
  const tables = Object.entries(editing.doc.tables);
  const add = editing.may && (
    <Button design="Emphasized" onClick={() => setAsking(true)}>
      {t('tables.add')}
    </Button>
  );
  return (
    <div className="stack">
      {tables.length === 0 ? (
        <section className="card" aria-label={t('mapping.tables')}>
          <Empty icon={icon} title={t('tables.none')} says={t('tables.noneSays')}>
            {add}
          </Empty>
        </section>
      ) : (
        <div className="actions">{add}</div>
      )}
      {tables.map(([name, table]) => (
        <OneTable key={name} name={name} table={table} editing={editing} />
      ))}
      {asking && <NewTable editing={editing} close={() => setAsking(false)} />}
    </div>
  );
}

function OneTable({ name, table, editing }: { name: string; table: Record<string, string>; editing: Editing }) {
  const { t } = useWords();
  const [rows, setRows] = useState<Row[]>(() => rowsOfTable(table));
  const [waits, setWaits] = useState(false);
  const held = useRef<Row[]>(undefined);
  // What the text says came from elsewhere, such as a step back.
  const said = JSON.stringify(table);
  const [seen, setSeen] = useState(said);
  if (said !== seen && !waits) {
    setSeen(said);
    if (said !== JSON.stringify(tableOfRows(rows))) setRows(rowsOfTable(table));
  }
  const send = () => {
    const next = held.current;
    if (next === undefined) return;
    held.current = undefined;
    void editing.edit([{ do: 'table', name, rows: tableOfRows(next) }], `table ${name}`).then(() => setWaits(false));
  };
  const latest = useRef(send);
  useEffect(() => {
    latest.current = send;
  });
  useEffect(() => {
    const timer = setTimeout(() => latest.current(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [rows]);
  // Another tab is opened before the pause is over: nothing is lost.
  useEffect(() => () => latest.current(), []);
  return (
    <Card
      title={name}
      says={t('tables.says', { name })}
      actions={
        editing.may && (
          <Button
            design="Transparent"
            accessibleName={t('tables.removeOf', { name })}
            onClick={() => void editing.edit([{ do: 'table', name, rows: null }])}
          >
            {t('tables.removeTable')}
          </Button>
        )
      }
    >
      <TableRows
        of={rows}
        onChange={(next) => {
          setRows(next);
          setWaits(true);
          held.current = twice(next).length === 0 ? next : undefined;
        }}
        label={t('tables.rowsOf', { name })}
        heads={[t('tables.codes'), t('tables.values')]}
        locked={!editing.may}
      />
    </Card>
  );
}

function NewTable({ editing, close }: { editing: Editing; close: () => void }) {
  const { t } = useWords();
  const id = useId();
  const [name, setName] = useState('');
  const bad = name !== '' && (!/^[A-Za-z]\w*$/.test(name) || name in editing.doc.tables);
  return (
    <FormDialog
      title={t('tables.add')}
      confirm={t('tables.add')}
      ready={name !== '' && !bad}
      go={async () => {
        await editing.edit([{ do: 'table', name, rows: {} }]);
        close();
      }}
      close={close}
    >
      <div className="field">
        <Label for={id} showColon>
          {t('tables.name')}
        </Label>
        <Input
          id={id}
          value={name}
          valueState={bad ? 'Negative' : 'None'}
          valueStateMessage={<span>{t('tables.badName')}</span>}
          onInput={(event) => setName(event.target.value)}
        />
      </div>
    </FormDialog>
  );
}
