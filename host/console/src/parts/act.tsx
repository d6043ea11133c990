// Asks before something is done, says how many it concerns, shows how far it is and what failed apart.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Bar } from '@ui5/webcomponents-react/Bar';
import { Button } from '@ui5/webcomponents-react/Button';
import { Dialog } from '@ui5/webcomponents-react/Dialog';
import { Label } from '@ui5/webcomponents-react/Label';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useCallback, useEffect, useId, useState, type ReactNode } from 'react';
import { useWords } from '../words/words.ts';
import { job as jobQuery } from '../api/queries.ts';
import type { Job } from '../api/types.ts';
import { Failed, HowFar } from './job.tsx';
import { Problem } from './problem.tsx';
import { say } from './say.tsx';

export interface Question {
  title: string;
  text: ReactNode;
  /** On the button that does it. */
  confirm: string;
  danger?: boolean;
  /** Whether a reason is asked for, and whether it may be left out. */
  reason?: 'wished' | 'needed';
  /** The reason that is proposed. */
  why?: string;
  go: (why: string | undefined) => Promise<Job | undefined>;
  /** After it was done, all of it. */
  then?: () => void;
  /** Said when it is done. */
  said: string;
}

/** `ask` opens the dialog; `dialog` is put anywhere on the page. */
export function useAct(): { ask: (question: Question) => void; dialog: ReactNode } {
  const [question, ask] = useState<Question>();
  const close = useCallback(() => ask(undefined), []);
  return { ask, dialog: question && <Act question={question} close={close} /> };
}

function Act({ question, close }: { question: Question; close: () => void }) {
  const { t } = useWords();
  const client = useQueryClient();
  const [why, setWhy] = useState(question.why ?? '');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const [started, setStarted] = useState<Job>();
  const reasonId = useId();

  const over = useCallback(
    async (whole: boolean) => {
      await Promise.all(
        [['overview'], ['events'], ['reviews'], ['kinds'], ['flows'], ['setup']].map((queryKey) =>
          client.invalidateQueries({ queryKey }),
        ),
      );
      if (!whole) return;
      say(question.said);
      close();
      question.then?.();
    },
    [client, close, question],
  );
  const go = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const job = await question.go(why.trim() === '' ? undefined : why.trim());
      if (job === undefined) await over(true);
      else setStarted(job);
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      open
      headerText={question.title}
      state={question.danger && !started ? 'Critical' : 'None'}
      onClose={close}
      className="dialog"
      footer={
        <Bar
          design="Footer"
          endContent={
            started ? (
              <Button onClick={close}>{t('close')}</Button>
            ) : (
              <>
                <Button
                  design={question.danger ? 'Negative' : 'Emphasized'}
                  disabled={busy || (question.reason === 'needed' && why.trim() === '')}
                  onClick={() => void go()}
                >
                  {question.confirm}
                </Button>
                <Button design="Transparent" onClick={close}>
                  {t('cancel')}
                </Button>
              </>
            )
          }
        />
      }
    >
      <div className="dialog-body">
        {started ? (
          <Progress job={started} over={over} />
        ) : (
          <>
            <div>{question.text}</div>
            {question.reason && (
              <div className="field">
                <Label for={reasonId} required={question.reason === 'needed'} showColon>
                  {t('act.why')}
                </Label>
                <TextArea
                  id={reasonId}
                  rows={2}
                  value={why}
                  placeholder={t('act.whyFor')}
                  onInput={(event) => setWhy(event.target.value)}
                />
              </div>
            )}
            <Problem of={trouble} />
          </>
        )}
      </div>
    </Dialog>
  );
}

function Progress({ job: begun, over }: { job: Job; over: (whole: boolean) => Promise<void> }) {
  const { t } = useWords();
  const query = useQuery({ ...jobQuery(begun.id), initialData: begun });
  const job = query.data;
  const whole = job.failed.length === 0;
  useEffect(() => {
    if (job.over) void over(whole);
  }, [job.over, whole, over]);
  return (
    <div aria-live="polite" className="stack">
      <HowFar of={job} says="act" />
      <Problem of={query.error} />
      <Failed of={job} says={t('act.failed', { count: job.failed.length })} />
    </div>
  );
}
