// Who sees to a question, until when, and what is to be known about it.
import { useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useState } from 'react';
import { dateOf, noonOf } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { review as reviewQuery } from '../../api/queries.ts';
import type { Review, ReviewChange } from '../../api/types.ts';
import { useMe } from '../../parts/me.ts';
import { Moment } from '../../parts/moment.tsx';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { say } from '../../parts/say.tsx';

export function Care({ of: review }: { of: Review }) {
  const { t } = useWords();
  const client = useQueryClient();
  const me = useMe();
  const id = review.event.id;
  const [assignee, setAssignee] = useState(review.assignee ?? '');
  const was = review.due ? dateOf(review.due) : '';
  const [due, setDue] = useState(was);
  const [note, setNote] = useState(review.note ?? '');
  const [trouble, setTrouble] = useState<unknown>();
  const same = assignee.trim() === (review.assignee ?? '') && due === was && note === (review.note ?? '');

  const keep = async () => {
    setTrouble(undefined);
    try {
      const change: ReviewChange = {
        assignee: assignee.trim() || null,
        due: due ? noonOf(due) : null,
        note: note.trim() || null,
      };
      client.setQueryData(reviewQuery(id).queryKey, await api.patch<Review>(`/reviews/${id}`, change));
      await client.invalidateQueries({ queryKey: ['reviews'] });
      say(t('care.kept'));
    } catch (trouble) {
      setTrouble(trouble);
    }
  };
  return (
    <Card title={t('care.title')} says={t('care.says')}>
      <div className="stack">
        <div className="row">
          <div className="field">
            <Label for="assignee" showColon>
              {t('care.assignee')}
            </Label>
            <Input id="assignee" value={assignee} onInput={(event) => setAssignee(event.target.value)} />
          </div>
          {me && assignee !== me.name && (
            <Button design="Transparent" onClick={() => setAssignee(me.name)}>
              {t('care.me')}
            </Button>
          )}
          <Moment day label={t('care.due')} value={due} onChange={setDue} />
        </div>
        <div className="field">
          <Label for="note" showColon>
            {t('care.note')}
          </Label>
          <TextArea id="note" rows={3} value={note} onInput={(event) => setNote(event.target.value)} />
        </div>
        <Problem of={trouble} />
        <div>
          <Button disabled={same} onClick={() => void keep()}>
            {t('save')}
          </Button>
        </div>
      </div>
    </Card>
  );
}
