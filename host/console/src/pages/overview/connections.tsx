import { ProgressIndicator } from '@ui5/webcomponents-react/ProgressIndicator';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import type { ConnectionRow, Overview, SourceRow } from '../../api/types.ts';
import { useLocale } from '../../parts/locale.ts';
import { Card } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { number, percent } from '../../words/format.ts';

const TONE = {
  up: 'good',
  down: 'bad',
  refused: 'bad',
  unknown: 'plain',
  used_up: 'warn',
  elsewhere: 'plain',
} as const;

export function Connections({ of }: { of: Overview }) {
  const { t } = useWords();
  return (
    <div className="cards">
      {of.connections.map((connection) => (
        <Connection key={connection.name} of={connection} />
      ))}
      <Card title={t('sources.title')} says={t('sources.says')}>
        <ul className="plain">
          {of.sources.map((source) => (
            <Source key={source.name} of={source} />
          ))}
        </ul>
      </Card>
    </div>
  );
}

function Connection({ of }: { of: ConnectionRow }) {
  const { t } = useWords();
  const locale = useLocale();
  const budget = of.budget;
  const over = budget !== undefined && budget.forecast > budget.limit;
  return (
    <Card title={of.name} says={of.kind === 'b1' ? 'SAP Business One' : 'Salesforce'}>
      <div className="stack">
        <p>
          <Mark tone={TONE[of.state]}>{t(`connection.${of.state}`)}</Mark>{' '}
          {of.since && (
            <span className="soft">
              {t('connection.since')} <Time at={of.since} />
            </span>
          )}
        </p>
        {of.why && <p>{of.why}</p>}
        {budget && (
          <div className="stack tight">
            <p>
              {t('connection.used', {
                used: number(budget.used, locale),
                limit: number(budget.limit, locale),
              })}
            </p>
            <ProgressIndicator
              value={Math.min(100, Math.round((budget.used / budget.limit) * 100))}
              displayValue={percent(budget.used / budget.limit, locale)}
              valueState={over ? 'Critical' : 'Information'}
              accessibleName={t('connection.calls')}
            />
            <p className={over ? 'warn' : 'soft'}>
              {t(over ? 'connection.over' : 'connection.forecast', { forecast: number(budget.forecast, locale) })}
            </p>
          </div>
        )}
      </div>
    </Card>
  );
}

function Source({ of }: { of: SourceRow }) {
  const { t } = useWords();
  return (
    <li className="source">
      <span>
        {of.name}
        {of.why && <span className="soft small"> {of.why}</span>}
      </span>
      <Mark tone={TONE[of.state]}>{t(`connection.${of.state}`)}</Mark>
    </li>
  );
}
