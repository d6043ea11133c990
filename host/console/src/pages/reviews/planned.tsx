// What a call of a tool would write, until when it waits for somebody who approves it, and what they may make of it.
import { Button } from '@ui5/webcomponents-react/Button';
import { Label } from '@ui5/webcomponents-react/Label';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useState } from 'react';
import { api } from '../../api/client.ts';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { useMay } from '../../parts/me.ts';
import { say } from '../../parts/say.tsx';
import { Link, useGo } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import type { Effect, Planned, Review } from '../../api/types.ts';
import { Json } from '../../parts/json.tsx';
import { Card } from '../../parts/page.tsx';
import { EffectView } from '../../parts/rehearsal.tsx';
import { Time } from '../../parts/time.tsx';

export function PlannedCard({ of: review }: { of: Review }) {
  const { t } = useWords();
  const mayAnswer = useMay('reviewer');
  const [changing, setChanging] = useState(false);
  const { plan, input, expires, changed } = review;
  if (!plan) return null;
  return (
    <Card title={t('review.plan')} says={t('review.planSays')}>
      <div className="stack">
        {plan.map((own, place) => (
          <EffectView
            key={place}
            of={effect(own)}
            about={own.record && !own.call.includes(own.record) ? own.record : ''}
          />
        ))}
        {changed && (
          <p className="soft">
            {t('review.changedBy', { by: changed.by })}{' '}
            <Link to="/events/$id" params={{ id: String(changed.call) }}>
              {t('review.changedFrom', { id: changed.call })}
            </Link>
          </p>
        )}
        {expires && (
          <p className="soft">
            {t('review.expires')} <Time at={expires} />
          </p>
        )}
        {input !== undefined && (
          <details>
            <summary>{t('review.input')}</summary>
            <Json of={input} label={t('review.input')} />
          </details>
        )}
        {mayAnswer && input !== undefined && (
          <div>
            <Button design="Transparent" onClick={() => setChanging(true)}>
              {t('review.change')}
            </Button>
          </div>
        )}
        {changing && <Change of={review} close={() => setChanging(false)} />}
      </div>
    </Card>
  );
}

/** The same call with another input: it is rehearsed, and asked about anew. */
function Change({ of: review, close }: { of: Review; close: () => void }) {
  const { t } = useWords();
  const go = useGo();
  const was = JSON.stringify(review.input, null, 2);
  const [text, setText] = useState(was);
  const input = read(text);
  return (
    <FormDialog
      title={t('review.changeTitle')}
      confirm={t('review.changeGo')}
      ready={input !== undefined && JSON.stringify(input, null, 2) !== was}
      wide
      close={close}
      go={async () => {
        const { call } = await api.post<{ call: number }>(`/reviews/${review.event.id}/change`, { input });
        close();
        say(t('review.changeSaid'));
        go({ to: '/reviews/$id', params: { id: String(call) } });
      }}
    >
      <p>{t('review.changeText')}</p>
      <div className="field">
        <Label for="changed-input" showColon>
          {t('review.input')}
        </Label>
        <TextArea
          id="changed-input"
          className="code"
          rows={Math.min(20, Math.max(6, was.split('\n').length + 1))}
          value={text}
          valueState={input === undefined ? 'Negative' : 'None'}
          onInput={(event) => setText(event.target.value)}
        />
        {input === undefined && <p className="soft">{t('review.changeJson')}</p>}
      </div>
    </FormDialog>
  );
}

/** undefined: it is no JSON object. */
function read(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `PATCH b1 /Orders(7)` goes to a system; `event orders.look for orders` to none. */
function effect({ call, fields }: Planned): Effect {
  const [method = '', connection = '', ...path] = call.split(' ');
  const goes = path[0]?.startsWith('/');
  return {
    method: goes ? method : call,
    connection: goes ? connection : '',
    path: goes ? path.join(' ') : '',
    fields: fields.map(({ name, old, new: value }) => ({ name, value, ...(old !== undefined && { before: old }) })),
  };
}
