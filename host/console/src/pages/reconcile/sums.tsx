// Money and quantities of both sides, by currency and month, and what a difference of them is made of.
import type { Sum } from '../../api/types.ts';
import { useLocale } from '../../parts/locale.ts';
import { Opens } from '../../parts/opens.tsx';
import { amount } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { differing, isZero, same } from './chosen.ts';

const PARTS = ['salesforce', 'b1', 'difference', 'other_month', 'rounding', 'alone', 'differences'] as const;

export function Sums({ of: sums }: { of: Sum[] }) {
  const { t } = useWords();
  const locale = useLocale();
  if (sums.length === 0) return null;
  const count = differing(sums).length;
  const agree = same(sums).length === sums.length;
  const label =
    count > 0 ? t('reconcile.sumsDiffer', { count }) : t(agree ? 'reconcile.sumsAgree' : 'reconcile.sumsExplained');
  return (
    <Opens label={label} open={count > 0 && sums.length <= 12}>
      <div className="stack tight">
        {!agree && <p className="soft">{t('reconcile.sumsSays')}</p>}
        <div className="scroll" tabIndex={0} role="region" aria-label={t('reconcile.sums')}>
          <table className="fields figures sums">
            <thead>
              <tr>
                <th scope="col">{t('reconcile.what')}</th>
                <th scope="col">{t('reconcile.month')}</th>
                <th scope="col">{t('side.salesforce')}</th>
                <th scope="col">{t('side.b1')}</th>
                <th scope="col">{t('reconcile.differenceHead')}</th>
                <th scope="col">{t('reconcile.otherMonth')}</th>
                <th scope="col">{t('reconcile.rounding')}</th>
                <th scope="col">{t('reconcile.aloneHead')}</th>
                <th scope="col">{t('reconcile.ofDifferences')}</th>
              </tr>
            </thead>
            <tbody>
              {sums.map((sum) => (
                <tr key={`${sum.what} ${sum.currency} ${sum.month}`}>
                  <th scope="row">
                    {sum.what} {sum.currency}
                  </th>
                  <td>{sum.month || <span className="soft">–</span>}</td>
                  {PARTS.map((part) => (
                    <td key={part}>
                      {part !== 'salesforce' && part !== 'b1' && isZero(sum[part]) ? (
                        <span className="soft">0</span>
                      ) : part === 'differences' ? (
                        <mark>{amount(sum[part], sum.currency !== '', locale)}</mark>
                      ) : (
                        amount(sum[part], sum.currency !== '', locale)
                      )}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </Opens>
  );
}
