// Goes through the last events under another release and says what would have been written otherwise.
import { useQuery } from '@tanstack/react-query';
import { Link } from '../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { ProgressIndicator } from '@ui5/webcomponents-react/ProgressIndicator';
import { useEffect, useState } from 'react';
import { api } from '../api/client.ts';
import { comparison } from '../api/queries.ts';
import type { Compared, Comparison } from '../api/types.ts';
import { number } from '../words/format.ts';
import { useWords } from '../words/words.ts';
import { shown } from './json.tsx';
import { useLocale } from './locale.ts';
import { Problem } from './problem.tsx';

const LAST = 1000;

export function begin(flow: string, release: string): Promise<Comparison> {
  return api.post<Comparison>(`/flows/${encodeURIComponent(flow)}/releases/${encodeURIComponent(release)}/compare`, {
    last: LAST,
  });
}

/** Begins when somebody says so. */
export function Compare({ flow, release }: { flow: string; release: string }) {
  const { t } = useWords();
  const [begun, setBegun] = useState<Comparison>();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const go = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      setBegun(await begin(flow, release));
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <div>
        <Button disabled={busy} onClick={() => void go()}>
          {t(begun ? 'compare.again' : 'compare.go', { count: LAST })}
        </Button>
      </div>
      <Problem of={trouble} />
      {begun && <ComparisonView key={begun.id} of={begun} />}
    </div>
  );
}

/** How far it is, and what it found. */
export function ComparisonView({ of: begun, onOver }: { of: Comparison; onOver?: (of: Comparison) => void }) {
  const { t } = useWords();
  const locale = useLocale();
  const query = useQuery({ ...comparison(begun.id), initialData: begun });
  const now = query.data;
  useEffect(() => {
    if (now.over) onOver?.(now);
  }, [now, onOver]);
  return (
    <div className="stack" aria-live="polite">
      {!now.over && (
        <>
          <p>{t('compare.running', { done: number(now.done, locale), total: number(now.total, locale) })}</p>
          <ProgressIndicator
            value={now.total === 0 ? 0 : Math.round((now.done / now.total) * 100)}
            valueState="Information"
            accessibleName={t('act.progress')}
          />
        </>
      )}
      <Problem of={query.error} />
      {now.error !== null && (
        <MessageStrip design="Negative" hideCloseButton>
          {now.error}
        </MessageStrip>
      )}
      {now.found && <Found of={now.found} />}
    </div>
  );
}

function Found({ of: found }: { of: Compared }) {
  const { t } = useWords();
  const locale = useLocale();
  const say = (value: number) => number(value, locale);
  const quiet = found.different === 0 && found.ended_otherwise === 0;
  return (
    <div className="stack compared">
      <MessageStrip design={quiet ? (found.untold > 0 ? 'Critical' : 'Positive') : 'Information'} hideCloseButton>
        {quiet && found.untold === 0
          ? t('compare.same', { events: say(found.events), runs: say(found.runs) })
          : t('compare.found', { events: say(found.events), same: say(found.same), different: say(found.different) })}
      </MessageStrip>
      {found.groups.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t('compare.groups')}>
          <table className="fields">
            <thead>
              <tr>
                <th scope="col">{t('field.one')}</th>
                <th scope="col">{t('compare.count')}</th>
                <th scope="col">{t('compare.examples')}</th>
              </tr>
            </thead>
            <tbody>
              {found.groups.map((group) => (
                <tr key={`${group.call} ${group.field}`}>
                  <th scope="row">
                    <strong>{group.field || t('compare.whole')}</strong>
                    <span className="about code">{group.call}</span>
                  </th>
                  <td>{say(group.count)}</td>
                  <td>
                    <ul className="plain">
                      {group.examples.map((one) => (
                        <li key={`${one.event} ${one.key}`}>
                          <EventLink id={one.event} of={one.key} /> <del>{shown(one.before)}</del> →{' '}
                          <ins>{shown(one.after)}</ins>
                        </li>
                      ))}
                    </ul>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {found.ended_otherwise > 0 && (
        <div>
          <p>
            <strong>{t('compare.endings', { count: found.ended_otherwise })}</strong>
          </p>
          <ul className="sentences">
            {found.endings.map((one) => (
              <li key={`${one.event} ${one.key}`}>
                <EventLink id={one.event} of={one.key} /> <del>{one.before}</del> → <ins>{one.after}</ins>
              </li>
            ))}
          </ul>
        </div>
      )}
      {found.untold > 0 && (
        <div>
          <p>
            <strong>{t('compare.untold', { count: found.untold })}</strong>
          </p>
          <ul className="sentences">
            {found.untold_why.map((why) => (
              <li key={why}>{why}</li>
            ))}
          </ul>
        </div>
      )}
      {found.read_now > 0 && <p className="soft">{t('compare.readNow', { count: found.read_now })}</p>}
      {found.unused.length > 0 && <p>{t('compare.unused', { sections: found.unused.join(', ') })}</p>}
    </div>
  );
}

/** The event, or its record where it is not known which event it was. */
function EventLink({ id, of }: { id: number | null; of: string }) {
  if (id === null) return <span className="code">{of}</span>;
  return (
    <Link to="/events/$id" params={{ id: String(id) }}>
      #{id}
    </Link>
  );
}
