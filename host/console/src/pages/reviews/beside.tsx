// The records of a question beside each other, a field a row, what differs marked.
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import type { Fields, Review } from '../../api/types.ts';
import { shown } from '../../parts/json.tsx';
import { Card } from '../../parts/page.tsx';
import { different, rows } from './pairs.ts';

/** Fields of a candidate that tell why it is one, and stand above the comparison. */
const ABOUT = ['match', 'linked with'];

export function Beside({ of: review }: { of: Review }) {
  const { t } = useWords();
  const [only, setOnly] = useState(false);
  const columns: { name: string; about: string[]; fields: Fields }[] = [];
  if (review.b1) columns.push({ name: t('side.b1'), about: [], fields: review.b1 });
  if (review.salesforce) columns.push({ name: t('side.salesforce'), about: [], fields: review.salesforce });
  review.candidates.forEach((candidate, place) => {
    const fields = Object.fromEntries(Object.entries(candidate).filter(([name]) => !ABOUT.includes(name)));
    const about = ABOUT.filter((name) => candidate[name]).map((name) =>
      name === 'match' ? shown(candidate[name]) : t('review.taken', { record: shown(candidate[name]) }),
    );
    columns.push({ name: t('review.candidate', { number: place + 1 }), about, fields });
  });
  if (columns.length === 0) return null;
  const all = rows(columns.map((column) => column.fields));
  const differing = all.filter(different);

  return (
    <Card
      title={t('review.beside')}
      says={columns.length > 1 ? t('review.different', { count: differing.length }) : undefined}
      actions={
        columns.length > 1 && (
          <CheckBox text={t('review.only')} checked={only} onChange={(event) => setOnly(event.target.checked)} />
        )
      }
      flush
    >
      <div className="scroll" tabIndex={0} role="region" aria-label={t('review.beside')}>
        <table className="fields beside-table">
          <thead>
            <tr>
              <th scope="col">{t('field.one')}</th>
              {columns.map((column) => (
                <th scope="col" key={column.name}>
                  {column.name}
                  {column.about.map((words) => (
                    <span key={words} className="about">
                      {words}
                    </span>
                  ))}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(only ? differing : all).map((row) => (
              <tr key={row.names.join(' ')} className={different(row) ? 'changed' : undefined}>
                <th scope="row">
                  {row.names.map((name) => (
                    <span key={name}>{name}</span>
                  ))}
                </th>
                {row.cells.map((cell, place) => (
                  <td key={place}>
                    {cell.value === undefined ? (
                      <span className="soft">–</span>
                    ) : cell.differs ? (
                      <mark>{shown(cell.value)}</mark>
                    ) : (
                      shown(cell.value)
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
