// What a call of a tool would write, and until when it waits for somebody who approves it.
import { useWords } from '../../words/words.ts';
import type { Effect, Planned, Review } from '../../api/types.ts';
import { Json } from '../../parts/json.tsx';
import { Card } from '../../parts/page.tsx';
import { EffectView } from '../../parts/rehearsal.tsx';
import { Time } from '../../parts/time.tsx';

export function PlannedCard({ of: review }: { of: Review }) {
  const { t } = useWords();
  const { plan, input, expires } = review;
  if (!plan) return null;
  return (
    <Card title={t('review.plan')} says={t('review.planSays')}>
      <div className="stack">
        {plan.map((own, place) => (
          <EffectView key={place} of={effect(own)} />
        ))}
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
      </div>
    </Card>
  );
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
