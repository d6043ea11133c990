// What a run would do, as a rehearsal tells it: its outcome and each write, field by field.
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useWords } from '../words/words.ts';
import type { Effect, Rehearsal } from '../api/types.ts';
import { shown } from './json.tsx';
import { StateMark } from './state.tsx';

export function RehearsalView({ of }: { of: Rehearsal }) {
  const { t } = useWords();
  return (
    <div className="stack" aria-live="polite">
      <MessageStrip design="Information" hideCloseButton>
        {t('rehearsal.nothing')}
      </MessageStrip>
      <p className="verdict">
        <StateMark state={of.verdict.state} /> <span>{of.verdict.words}</span>
      </p>
      {of.effects.length === 0 ? (
        <p className="soft">{t('rehearsal.noEffects')}</p>
      ) : (
        of.effects.map((effect, place) => <EffectView key={place} of={effect} />)
      )}
      <p className="soft small">{t('rehearsal.under', { release: of.release.slice(0, 10) })}</p>
    </div>
  );
}

/** `about`: what people know the record by. */
export function EffectView({ of: effect, about = '' }: { of: Effect; about?: string }) {
  const { t } = useWords();
  const before = effect.fields.some((field) => field.before !== undefined);
  return (
    <div className="effect">
      <p className="effect-head">
        <strong>{effect.connection}</strong> <span className="code">{`${effect.method} ${effect.path}`}</span>
      </p>
      {about && <p className="soft">{about}</p>}
      {effect.fields.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={`${effect.method} ${effect.path}`}>
          <table className="fields">
            <thead>
              <tr>
                <th scope="col">{t('field.one')}</th>
                {before && <th scope="col">{t('field.before')}</th>}
                <th scope="col">{before ? t('field.after') : t('field.value')}</th>
              </tr>
            </thead>
            <tbody>
              {effect.fields.map((field) => {
                const changed = field.before !== undefined && shown(field.before) !== shown(field.value);
                return (
                  <tr key={field.name} className={changed ? 'changed' : undefined}>
                    <th scope="row">{field.name}</th>
                    {before && <td>{changed ? <del>{shown(field.before)}</del> : shown(field.before)}</td>}
                    <td>{changed ? <ins>{shown(field.value)}</ins> : shown(field.value)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
