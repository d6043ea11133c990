// What each code asks for, with its reason; what nobody granted yet stands out.
import type { Code } from '../../api/types.ts';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { short } from './standing.tsx';

export function Rights({ of }: { of: Code[] }) {
  const { t } = useWords();
  return (
    <div className="stack">
      {of.map((code) => (
        <div
          key={code.digest}
          className="scroll"
          tabIndex={0}
          role="region"
          aria-label={`${code.name} ${code.version}`}
        >
          <table className="fields">
            <caption>
              <strong>{code.name}</strong> {code.version} ·{' '}
              {t(code.kind === 'plugin' ? 'rights.kind.plugin' : 'rights.kind.mapper')} ·{' '}
              <span className="code">{short(code.digest)}</span>
            </caption>
            <thead>
              <tr>
                <th scope="col">{t('rights.where')}</th>
                <th scope="col">{t('rights.what')}</th>
                <th scope="col">{t('rights.why')}</th>
              </tr>
            </thead>
            <tbody>
              {code.permissions.map((one) => (
                <tr
                  key={`${one.connection} ${one.method} ${one.path}`}
                  className={one.granted ? undefined : 'new-right'}
                >
                  <td>{one.connection}</td>
                  <td>
                    <span className="code">{`${one.method} ${one.path}`}</span>{' '}
                    {!one.granted && <Mark tone="bad">{t('rights.new')}</Mark>}
                  </td>
                  <td>{one.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </div>
  );
}
