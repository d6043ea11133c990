// A code table as a table: rows typed, or pasted from a sheet.
import { Button } from '@ui5/webcomponents-react/Button';
import type { ClipboardEvent } from 'react';
import type { Choice } from '../../api/types.ts';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { isSheet, pasteAt, pasted, twice, type Row } from './rows.ts';

interface Props {
  of: readonly Row[];
  onChange: (rows: Row[]) => void;
  label: string;
  /** What stands over the columns. */
  heads: readonly [string, string];
  /** What each side may say, where it is known. */
  codes?: readonly Choice[];
  values?: readonly Choice[];
  /** Why a row was proposed, by its code. */
  why?: ReadonlyMap<string, string>;
  locked: boolean;
}

export function TableRows({ of, onChange, label, heads, codes = [], values = [], why, locked }: Props) {
  const { t } = useWords();
  const doubled = twice(of);
  const put = (place: number, row: Row) => onChange(of.map((one, at) => (at === place ? row : one)));
  const paste = (event: ClipboardEvent, place: number) => {
    const text = event.clipboardData.getData('text/plain');
    if (locked || !isSheet(text)) return;
    event.preventDefault();
    onChange(pasteAt(of, place, pasted(text)));
  };
  const missing = codes.filter(({ value }) => !of.some((row) => row.code === value));
  const listId = `values-${label.replace(/\W/g, '')}`;
  return (
    <div className="stack tight">
      <div className="scroll" tabIndex={0} role="region" aria-label={label}>
        <table className="fields code-table">
          <thead>
            <tr>
              <th scope="col">{heads[0]}</th>
              <th scope="col">{heads[1]}</th>
              <th scope="col">
                <span className="sr-only">{t('acts')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {of.map((row, place) => (
              <tr key={place}>
                <td>
                  <input
                    className="plain-input"
                    aria-label={t('tables.code', { number: place + 1 })}
                    aria-invalid={doubled.includes(row.code)}
                    value={row.code}
                    readOnly={locked}
                    onPaste={(event) => paste(event, place)}
                    onChange={(event) => put(place, { ...row, code: event.target.value })}
                  />
                  {labelOf(codes, row.code)}
                </td>
                <td>
                  <input
                    className="plain-input"
                    aria-label={t('tables.value', { number: place + 1 })}
                    list={values.length > 0 ? listId : undefined}
                    value={row.value}
                    readOnly={locked}
                    onPaste={(event) => paste(event, place)}
                    onChange={(event) => put(place, { ...row, value: event.target.value })}
                  />
                  {labelOf(values, row.value)}
                </td>
                <td>
                  <span className="actions">
                    {why?.get(row.code) && <Mark tone="info">{why.get(row.code)}</Mark>}
                    {!locked && (
                      <Button
                        design="Transparent"
                        accessibleName={t('tables.removeRow', { number: place + 1 })}
                        onClick={() => onChange(of.filter((_, at) => at !== place))}
                      >
                        {t('remove')}
                      </Button>
                    )}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {values.length > 0 && (
        <datalist id={listId}>
          {values.map((one) => (
            <option key={one.value} value={one.value}>
              {one.label}
            </option>
          ))}
        </datalist>
      )}
      {doubled.length > 0 && <p className="bad-text">{t('tables.twice', { codes: doubled.join(', ') })}</p>}
      {missing.length > 0 && (
        <p className="warn">{t('tables.missing', { codes: missing.map((one) => one.label).join(', ') })}</p>
      )}
      {!locked && (
        <div className="actions">
          <Button onClick={() => onChange([...of, { code: '', value: '' }])}>{t('tables.addRow')}</Button>
          <span className="soft small">{t('tables.pasteHint')}</span>
        </div>
      )}
    </div>
  );
}

function labelOf(of: readonly Choice[], value: string) {
  const label = of.find((one) => one.value === value)?.label;
  return label !== undefined && label !== value ? <span className="about">{label}</span> : null;
}
