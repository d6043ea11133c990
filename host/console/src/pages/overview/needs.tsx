import { Link } from '../../way/way.tsx';
import { Icon } from '@ui5/webcomponents-react/Icon';
import { Mark } from '../../parts/mark.tsx';
import { useWords, type Say } from '../../words/words.ts';
import type { Need, Overview } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { closed, good } from '../../parts/icons.ts';
import { Card } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';

/** What stands still until somebody acts is red; what can wait a little is amber. */
const TONE = {
  store: 'bad',
  connection: 'bad',
  held: 'bad',
  errors: 'warn',
  review: 'warn',
  files: 'warn',
  alerts: 'warn',
  backup: 'warn',
} as const;

export function Needs({ of }: { of: Overview }) {
  const { t } = useWords();
  return (
    <Card title={t('needs.title')}>
      {of.needs.length === 0 ? (
        <Empty icon={good} good title={t('needs.none')} says={t('needs.noneSays')} />
      ) : (
        <ul className="needs">
          {of.needs.map((need) => (
            <li key={`${need.kind} ${need.flow ?? need.connection ?? need.text}`}>
              <Mark tone={TONE[need.kind]}>{t(`needs.${need.kind}`)}</Mark>
              <div className="need-text">
                <span>{words(need, t)}</span>
                <span className="soft">
                  {need.flow ?? need.connection}
                  {need.since && (
                    <>
                      {' '}
                      · <Time at={need.since} />
                    </>
                  )}
                </span>
              </div>
              <Way of={need} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

/** What is counted is said in the language shown; the rest in the host's own words. */
function words(need: Need, t: Say): string {
  if (need.count === undefined) return need.text;
  if (need.kind === 'review') return t('needs.reviews', { count: need.count });
  if (need.kind === 'errors') {
    const named = need.words ?? [];
    return t('needs.kinds', {
      count: need.count,
      words: (named.length < need.count ? [...named, '…'] : named).join('; '),
    });
  }
  return need.text;
}

/** Where the person goes who sees to it; nowhere, where it is not seen to in the console. */
function Way({ of: need }: { of: Need }) {
  const { t } = useWords();
  const words = (
    <>
      {t('needs.see')} <Icon name={closed} mode="Decorative" />
    </>
  );
  if (need.kind === 'review') {
    return (
      <Link className="way" to="/reviews" search={need.flow ? { flow: need.flow } : {}}>
        {words}
      </Link>
    );
  }
  if (need.kind === 'errors') {
    return (
      <Link className="way" to="/kinds" search={need.flow ? { flow: need.flow } : {}}>
        {words}
      </Link>
    );
  }
  return null;
}
