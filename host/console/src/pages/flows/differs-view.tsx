// How a release differs from the live one: parts, settings, rights, lines of the mapping.
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import type { Differences } from '../../api/types.ts';
import { shown } from '../../parts/json.tsx';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { diffLines } from './differs.ts';

export function DiffersView({ of }: { of: Differences }) {
  const { t } = useWords();
  const rights = of.parts.filter((part) => part.what === 'may now' || part.what === 'may no more');
  const others = of.parts.filter((part) => !rights.includes(part));
  if (of.parts.length === 0 && of.mapping.length === 0) {
    return (
      <MessageStrip design="Positive" hideCloseButton>
        {t('differs.none')}
      </MessageStrip>
    );
  }
  return (
    <div className="stack">
      {others.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t('differs.parts')}>
          <table className="fields">
            <thead>
              <tr>
                <th scope="col">{t('differs.what')}</th>
                <th scope="col">{t('differs.before')}</th>
                <th scope="col">{t('differs.after')}</th>
              </tr>
            </thead>
            <tbody>
              {others.map((part) => (
                <tr key={part.what}>
                  <th scope="row">{named(part.what, t)}</th>
                  <td>
                    <del>{shown(part.before)}</del>
                  </td>
                  <td>
                    <ins>{shown(part.after)}</ins>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rights.length > 0 && (
        <ul className="plain stack tight" aria-label={t('flows.rights')}>
          {rights.map((part) => (
            <li key={shown(part.before) + shown(part.after)}>
              {part.what === 'may now' ? (
                <>
                  <Mark tone="bad">{t('differs.mayNow')}</Mark>{' '}
                  <span className="code bad-text">{shown(part.after)}</span>
                </>
              ) : (
                <>
                  <Mark tone="plain">{t('differs.mayNoMore')}</Mark> <span className="code">{shown(part.before)}</span>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
      {of.mapping.length > 0 && (
        <div>
          <p className="soft">{t('differs.mapping')}</p>
          <MappingLines of={of.mapping} />
        </div>
      )}
    </div>
  );
}

export function MappingLines({ of }: { of: string[] }) {
  const { t } = useWords();
  return (
    <pre className="json diff" role="region" tabIndex={0} aria-label={t('differs.mapping')}>
      {diffLines(of).map((line, place) => (
        <span key={place} className={line.what}>
          {`${line.sign} ${line.text}\n`}
        </span>
      ))}
    </pre>
  );
}

function named(what: string, t: ReturnType<typeof useWords>['t']): string {
  if (what === 'plugin') return t('release.plugin');
  if (what === 'mapping plugin') return t('release.mapper');
  return what.startsWith('settings.') ? `${t('differs.setting')} ${what.slice('settings.'.length)}` : what;
}
