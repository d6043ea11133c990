// One difference: why, what differs, and the ways to all that is known of its records.
import { useQuery } from '@tanstack/react-query';
import { difference as differenceQuery, report as reportQuery } from '../../api/queries.ts';
import type { Difference } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { search as searchIcon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { Card, Page } from '../../parts/page.tsx';
import { Link, useId, usePlace } from '../../way/way.tsx';
import { exact } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { nameOf, WhyMark } from './differences.tsx';

export default function DifferencePage() {
  const { t } = useWords();
  const locale = useLocale();
  const name = useId();
  const place = Number(usePlace());
  const query = useQuery(differenceQuery(name, place));
  const report = useQuery(reportQuery(name)).data;
  // From what is no place in the report the host goes on to the next.
  const found = query.data?.differences.find((one) => one.place === place);
  const of = report?.flows
    .find(({ flow }) => flow === found?.flow)
    ?.comparisons.find((one) => one.name === found?.comparison);
  return (
    <Page
      title={found ? nameOf(found) : t('reconcile.differences')}
      mark={found && <WhyMark why={found.why} />}
      says={
        found && (
          <>
            <Link to="/reconcile/$id" params={{ id: name }} search={{ flow: found.flow, of: found.comparison }}>
              {t('reconcile.one.of', { flow: found.flow, comparison: of?.title ?? found.comparison })}
            </Link>
            {report && <> · {t('reconcile.report', { at: exact(report.summary.at, locale) })}</>}
          </>
        )
      }
    >
      <Loaded query={query}>
        {({ masked }) =>
          found ? (
            <>
              <Card title={t('reconcile.one.whyItIs')}>
                <p className="question">{found.reason}</p>
                {masked && <p className="soft">{t('reconcile.hidden')}</p>}
              </Card>
              <Values of={found} />
              <Ways of={found} />
            </>
          ) : (
            <section className="card">
              <Empty icon={searchIcon} title={t('reconcile.one.gone')} says={t('reconcile.one.goneSays')}>
                <Link to="/reconcile/$id" params={{ id: name }}>
                  {t('reconcile.open')}
                </Link>
              </Empty>
            </section>
          )
        }
      </Loaded>
    </Page>
  );
}

function Values({ of }: { of: Difference }) {
  const { t } = useWords();
  const fields = of.fields ?? [];
  return (
    <Card
      title={t('reconcile.one.values')}
      says={of.kind === 'differs' ? undefined : t(`reconcile.kind.${of.kind}`)}
      flush
    >
      <div className="scroll" tabIndex={0} role="region" aria-label={t('reconcile.one.values')}>
        <table className="fields difference-fields">
          <thead>
            <tr>
              <th scope="col">{t('field.one')}</th>
              <th scope="col">{t('side.salesforce')}</th>
              <th scope="col">{t('side.b1')}</th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">{t('reconcile.record')}</th>
              {[of.salesforce, of.b1].map((id, place) => (
                <td key={place}>{id === '' ? <span className="soft">–</span> : <span className="code">{id}</span>}</td>
              ))}
            </tr>
            {fields.map((field) => (
              <tr key={field.field}>
                <th scope="row">{field.field}</th>
                {[field.salesforce, field.b1].map((value, place) => (
                  <td key={place}>{value === '' ? <span className="soft">–</span> : <mark>{value}</mark>}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {fields.length === 0 && of.kind.startsWith('missing') && (
        <p className="soft beneath">{t('reconcile.one.noValues')}</p>
      )}
    </Card>
  );
}

function Ways({ of }: { of: Difference }) {
  const { t } = useWords();
  const ids = [of.salesforce, of.b1].filter((id) => id !== '');
  return (
    <Card title={t('reconcile.one.ways')}>
      <ul className="plain stack tight">
        {of.event !== undefined && (
          <li>
            <Link to="/events/$id" params={{ id: String(of.event) }}>
              {t('reconcile.one.event', { id: of.event })}
            </Link>
          </li>
        )}
        {ids.map((id) => (
          <li key={id}>
            <Link to="/events" search={{ q: id, flow: of.flow }}>
              {t('reconcile.one.events', { id })}
            </Link>
            {' · '}
            <Link to="/explain" search={{ record: id }}>
              {t('reconcile.one.explain', { id })}
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}
