// Each answer, what it does, and what it would do to this very record, rehearsed before it is given.
import { Button } from '@ui5/webcomponents-react/Button';
import { Title } from '@ui5/webcomponents-react/Title';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import type { Job, Rehearsal, Review } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { useMay } from '../../parts/me.ts';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { RehearsalView } from '../../parts/rehearsal.tsx';

export function Answers({ of: review, then }: { of: Review; then: () => void }) {
  const { t } = useWords();
  const mayAnswer = useMay('reviewer');
  const { ask, dialog } = useAct();
  return (
    <Card title={t('review.answers')} says={mayAnswer ? undefined : t('review.notYours')}>
      <ul className="answers">
        {review.choices.map(({ choice, does }) => (
          <Answer
            key={choice}
            id={review.event.id}
            choice={choice}
            does={does}
            give={
              mayAnswer
                ? () =>
                    ask({
                      title: t('reviews.answer', { choice }),
                      text: (
                        <>
                          <p>{t('reviews.answerText', { count: 1, choice })}</p>
                          <p className="soft">{does}</p>
                        </>
                      ),
                      confirm: t('reviews.answerGo', { count: 1 }),
                      reason: 'wished',
                      go: (why) => api.post<Job>('/reviews/answer', { ids: [review.event.id], choice, why }),
                      said: t('reviews.answered', { count: 1 }),
                      then,
                    })
                : undefined
            }
          />
        ))}
      </ul>
      {dialog}
    </Card>
  );
}

interface Props {
  id: number;
  choice: string;
  does: string;
  give?: () => void;
}

function Answer({ id, choice, does, give }: Props) {
  const { t } = useWords();
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Rehearsal>();
  const [trouble, setTrouble] = useState<unknown>();
  const rehearse = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      setTold(await api.post<Rehearsal>(`/events/${id}/rehearse`, { choice }));
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };
  return (
    <li className="answer">
      <div className="answer-head">
        <div>
          <Title level="H3" size="H6" wrappingType="Normal">
            {choice}
          </Title>
          {does !== '' && <p className="soft">{does}</p>}
        </div>
        {give && (
          <div className="actions">
            <Button
              disabled={busy}
              design="Transparent"
              accessibleName={told ? undefined : t('review.wouldDoOf', { choice })}
              onClick={() => void (told ? setTold(undefined) : rehearse())}
            >
              {t(told ? 'review.hide' : 'review.wouldDo')}
            </Button>
            <Button accessibleName={t('review.giveOf', { choice })} onClick={give}>
              {t('review.give')}
            </Button>
          </div>
        )}
      </div>
      <Problem of={trouble} />
      {told && <RehearsalView of={told} />}
    </li>
  );
}
