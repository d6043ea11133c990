// What runs now, and where to look from here on.
import { useQuery } from '@tanstack/react-query';
import { overview } from '../../api/queries.ts';
import type { Setup } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { flows as icon } from '../../parts/icons.ts';
import { Mark } from '../../parts/mark.tsx';
import { Card } from '../../parts/page.tsx';
import { Link } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';

export function Runs({ setup }: { setup: Setup }) {
  const { t } = useWords();
  const rows = useQuery(overview).data?.flows;
  const running = setup.flows.filter((flow) => flow.running);
  return (
    <Card title={t('setup.runs')}>
      {running.length === 0 ? (
        <Empty icon={icon} title={t('runs.none')} says={t('runs.noneSays')} />
      ) : (
        <div className="stack">
          <ul className="plain plugins">
            {running.map((flow) => {
              const row = rows?.find((one) => one.name === flow.flow);
              return (
                <li key={flow.flow} className="plugin">
                  <div className="page-title">
                    <Link to="/flows/$id" params={{ id: flow.flow }}>
                      {flow.flow}
                    </Link>
                    <Mark tone="good">{t('flow.is.running')}</Mark>
                    <span className="soft">{row?.title}</span>
                  </div>
                </li>
              );
            })}
          </ul>
          <ul className="plain stack tight">
            <li>
              <p>
                <Link to="/">{t('overview.title')}</Link>: <span className="soft">{t('runs.overview')}</span>
              </p>
            </li>
            <li>
              <p>
                <Link to="/reviews">{t('reviews.title')}</Link>: <span className="soft">{t('runs.reviews')}</span>
              </p>
            </li>
            <li>
              <p>
                <Link to="/events">{t('events.title')}</Link>: <span className="soft">{t('runs.events')}</span>
              </p>
            </li>
          </ul>
          <p className="soft">{t('runs.file', { file: setup.file })}</p>
        </div>
      )}
    </Card>
  );
}
