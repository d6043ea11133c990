import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { Title } from '@ui5/webcomponents-react/Title';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { shown } from '../../parts/json.tsx';
import type { Difference } from './differences.ts';

const TONE = { new: 'good', gone: 'bad', other: 'warn', same: 'plain' } as const;

export function Differences({ of }: { of: Difference[] }) {
  const { t } = useWords();
  const different = of.filter((one) => one.what !== 'same');
  return (
    <section className="stack" aria-label={t('difference.title')}>
      <Title level="H3" size="H6">
        {t('difference.title')}
      </Title>
      {different.length === 0 ? (
        <MessageStrip design="Positive" hideCloseButton>
          {t('difference.none')}
        </MessageStrip>
      ) : (
        different.map((one, place) => (
          <div className="effect" key={place}>
            <p className="effect-head">
              <Mark tone={TONE[one.what]}>{t(`difference.${one.what}`)}</Mark> <strong>{one.connection}</strong>{' '}
              <span className="code">{`${one.method} ${one.path}`}</span>
            </p>
            {one.what === 'other' && (
              <div className="scroll" tabIndex={0} role="region" aria-label={`${one.method} ${one.path}`}>
                <table className="fields">
                  <thead>
                    <tr>
                      <th scope="col">{t('field.one')}</th>
                      <th scope="col">{t('difference.then')}</th>
                      <th scope="col">{t('difference.now')}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {one.fields
                      .filter((field) => !field.same)
                      .map((field) => (
                        <tr key={field.name} className="changed">
                          <th scope="row">{field.name}</th>
                          <td>
                            <del>{shown(field.then)}</del>
                          </td>
                          <td>
                            <ins>{shown(field.now)}</ins>
                          </td>
                        </tr>
                      ))}
                  </tbody>
                </table>
              </div>
            )}
          </div>
        ))
      )}
    </section>
  );
}
