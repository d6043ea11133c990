// The calls of a run, each with its answer, time and sizes; request and response beside each other on demand.
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Icon } from '@ui5/webcomponents-react/Icon';
import { useId, useState } from 'react';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import type { CallRow } from '../../api/types.ts';
import { closed, opened } from '../../parts/icons.ts';
import { Json } from '../../parts/json.tsx';
import { useLocale } from '../../parts/locale.ts';
import { clock, duration, size } from '../../words/format.ts';

/** What a person reads first: what left the host, and what the mapping made. */
const TELLING = ['http', 'map'];
const FIRST = 40;

export function Calls({ of }: { of: CallRow[] }) {
  const { t } = useWords();
  const [all, showAll] = useState(false);
  const [most, setMost] = useState(FIRST);
  const telling = of.filter((call) => TELLING.includes(call.kind) || call.effect);
  const calls = all ? of : telling;
  if (of.length === 0) return <p className="soft">{t('calls.none')}</p>;
  return (
    <div className="stack tight">
      {telling.length < of.length && (
        <CheckBox
          text={t('calls.all', { count: of.length - telling.length })}
          checked={all}
          onChange={(event) => showAll(event.target.checked)}
        />
      )}
      <ul className="calls">
        {calls.slice(0, most).map((call) => (
          <Call key={call.seq} of={call} />
        ))}
      </ul>
      {calls.length > most && (
        <button type="button" className="opens-button" onClick={() => setMost(most + 100)}>
          {t('more')}
        </button>
      )}
    </div>
  );
}

function Call({ of: call }: { of: CallRow }) {
  const { t } = useWords();
  const locale = useLocale();
  const [open, set] = useState(false);
  const id = useId();
  const failed = call.status !== undefined && call.status >= 400;
  return (
    <li>
      <button
        type="button"
        className="call"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => set(!open)}
        title={clock(call.at, locale)}
      >
        <Icon name={open ? opened : closed} mode="Decorative" />
        <span className="call-what">
          {call.method ? (
            <>
              <strong>{call.method}</strong> {call.connection} <span className="code">{readable(call.path)}</span>
            </>
          ) : (
            <>
              <strong>{call.kind}</strong> <span className="code">{call.subject}</span>
            </>
          )}
        </span>
        <span className="call-marks">
          {call.effect && <Mark tone="info">{t('calls.writes')}</Mark>}
          {call.state === 'intended' && <Mark tone="warn">{t('calls.intended')}</Mark>}
          {call.status !== undefined && <Mark tone={failed ? 'bad' : 'good'}>{call.status}</Mark>}
          <span className="call-size">
            {size(call.request_bytes, locale)} → {size(call.response_bytes, locale)}
          </span>
          <span className="call-took">{call.took_ms === undefined ? '–' : duration(call.took_ms, locale)}</span>
        </span>
      </button>
      <div id={id} hidden={!open}>
        {open && (
          <div className="beside">
            <div>
              <p className="soft">{call.kind === 'map' ? t('calls.input') : t('calls.request')}</p>
              <Json of={call.request} label={t('calls.request')} />
            </div>
            <div>
              <p className="soft">{call.kind === 'map' ? t('calls.output') : t('calls.response')}</p>
              <Json of={call.response} label={t('calls.response')} />
            </div>
          </div>
        )}
      </div>
    </li>
  );
}

/** As people read it: `%20` is a space. */
function readable(path = ''): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
