// Every rule against the fields that both systems have.
import { useQuery } from '@tanstack/react-query';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { mappingCheck } from '../../api/queries.ts';
import type { Checked, Finding } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { good } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Card } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';
import type { Editing } from './editing.ts';

const TONE = { error: 'bad', warning: 'warn', note: 'info' } as const;
const ORDER = ['error', 'warning', 'note'] as const;

type Show = (finding: Finding) => void;

export function Check({ editing, show }: { editing: Editing; show: Show }) {
  const { t } = useWords();
  const query = useQuery({ ...mappingCheck(editing.flow, editing.text), placeholderData: (before) => before });
  return (
    <Card title={t('mapping.check')} says={t('check.says')} flush>
      <Loaded query={query}>{(checked) => <Findings of={checked} show={show} />}</Loaded>
    </Card>
  );
}

export function Findings({ of, show }: { of: Checked; show?: Show }) {
  const { t } = useWords();
  const sorted = ORDER.flatMap((grade) => of.findings.filter((one) => one.grade === grade));
  return (
    <>
      {of.unread !== null && (
        <div className="card-body">
          <MessageStrip design="Critical" hideCloseButton>
            {of.unread}
          </MessageStrip>
        </div>
      )}
      {sorted.length === 0 && of.unread === null && (
        <Empty good icon={good} title={t('check.none')} says={t('check.noneSays')} />
      )}
      <ul className="rows">
        {sorted.map((one, place) => (
          <li key={place} className="row-item">
            <div className="row-what">
              <p className="row-first">
                <Mark tone={TONE[one.grade]}>{t(`check.${one.grade}`)}</Mark>
                {show ? (
                  <button type="button" className="link-button" onClick={() => show(one)}>
                    {nameOf(one)}
                  </button>
                ) : (
                  <strong>{nameOf(one)}</strong>
                )}
                {one.line !== null && <span className="soft small">{t('check.line', { line: one.line })}</span>}
              </p>
              <p>{one.finding}</p>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

function nameOf(one: Finding): string {
  return [one.section && `[${one.section}]`, one.field].filter(Boolean).join(' ') || '…';
}
