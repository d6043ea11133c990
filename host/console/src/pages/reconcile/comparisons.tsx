// What a report states of each kind of thing: records on each side, how many are in step, how many differ. Each leads to its differences.
import type { Reconciled, ReconciledFlow, Report } from '../../api/types.ts';
import { useLocale } from '../../parts/locale.ts';
import { Mark } from '../../parts/mark.tsx';
import { useNarrow } from '../../parts/narrow.ts';
import { Link } from '../../way/way.tsx';
import { number } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { all } from './chosen.ts';

interface Props {
  of: Report;
  /** The one whose differences are shown. */
  chosen?: Reconciled | undefined;
}

export function Comparisons({ of: report, chosen }: Props) {
  const { t } = useWords();
  const narrow = useNarrow();
  const locale = useLocale();
  const open = (flow: ReconciledFlow, of: Reconciled) => (
    <Link
      to="/reconcile/$id"
      params={{ id: report.summary.name }}
      search={{ flow: flow.flow, of: of.name }}
      current={of === chosen}
    >
      {of.title || of.name}
    </Link>
  );
  const rows = report.flows.flatMap((flow) => flow.comparisons.map((of) => ({ flow, of })));
  const unsaid = report.flows.filter((flow) => flow.unsaid !== undefined);
  const notExplained = (of: Reconciled) =>
    of.unexplained > 0 ? <Mark tone="bad">{number(of.unexplained, locale)}</Mark> : '0';

  return (
    <>
      {narrow ? (
        <ul className="rows" aria-label={t('reconcile.compared')}>
          {rows.map(({ flow, of }) => (
            <li key={`${flow.flow} ${of.name}`} className={of === chosen ? 'row-item chosen' : 'row-item'}>
              <div className="row-what">
                <p className="row-first">
                  {open(flow, of)}
                  {of.unexplained > 0 && <Mark tone="bad">{t('reconcile.openMark', { count: of.unexplained })}</Mark>}
                </p>
                {of.not_whole === undefined ? (
                  <p>
                    {t('reconcile.inStep', { count: of.in_step })} · {t('reconcile.differencesHead')}:{' '}
                    {number(all(of), locale)}
                  </p>
                ) : (
                  <p className="bad-text">{of.not_whole}</p>
                )}
                <p className="soft small">
                  {flow.flow} · Salesforce {number(of.salesforce, locale)} · SAP Business One {number(of.b1, locale)}
                </p>
              </div>
            </li>
          ))}
        </ul>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label={t('reconcile.compared')}>
          <table className="fields figures">
            <thead>
              <tr>
                <th scope="col">{t('reconcile.what')}</th>
                <th scope="col">{t('flow.one')}</th>
                <th scope="col">{t('side.salesforce')}</th>
                <th scope="col">{t('side.b1')}</th>
                <th scope="col">{t('reconcile.inStepHead')}</th>
                <th scope="col">{t('reconcile.differencesHead')}</th>
                <th scope="col">{t('reconcile.unexplainedHead')}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ flow, of }) => (
                <tr key={`${flow.flow} ${of.name}`} className={of === chosen ? 'chosen' : undefined}>
                  <th scope="row">{open(flow, of)}</th>
                  <td>{flow.flow}</td>
                  {of.not_whole === undefined ? (
                    <>
                      {[of.salesforce, of.b1, of.in_step, all(of)].map((count, place) => (
                        <td key={place}>{number(count, locale)}</td>
                      ))}
                      <td>{notExplained(of)}</td>
                    </>
                  ) : (
                    <td colSpan={5} className="bad-text">
                      {of.not_whole}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {unsaid.map((flow) => (
        <p key={flow.flow} className={flow.failed ? 'bad-text beneath' : 'soft beneath'}>
          {flow.flow}: {flow.unsaid}
        </p>
      ))}
    </>
  );
}
