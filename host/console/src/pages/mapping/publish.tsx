// From a changed text to a live release, step by step: a note, the check, the comparison, going live.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Bar } from '@ui5/webcomponents-react/Bar';
import { Button } from '@ui5/webcomponents-react/Button';
import { Dialog } from '@ui5/webcomponents-react/Dialog';
import { Label } from '@ui5/webcomponents-react/Label';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useId, useState } from 'react';
import { api } from '../../api/client.ts';
import { mappingCheck } from '../../api/queries.ts';
import type { Activated, Comparison, ReleaseDetail } from '../../api/types.ts';
import { begin, ComparisonView } from '../../parts/comparison.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Problem } from '../../parts/problem.tsx';
import { Link } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { MappingLines } from '../flows/differs-view.tsx';
import { short } from '../flows/standing.tsx';
import { Findings } from './check.tsx';
import type { Editing } from './editing.ts';

const STEPS = ['note', 'check', 'compare', 'live'] as const;
type Step = (typeof STEPS)[number];

interface Props {
  editing: Editing;
  /** The live release as it was when the work began; it may be another one by now, and then it is refused. */
  live: string | null;
  setLive: (release: string) => void;
  close: () => void;
}

export function Publish({ editing, live, setLive, close }: Props) {
  const { t } = useWords();
  const client = useQueryClient();
  const noteId = useId();
  const [step, setStep] = useState<Step>('note');
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const [draft, setDraft] = useState<ReleaseDetail>();
  const [comparison, setComparison] = useState<Comparison>();
  const [over, setOver] = useState(false);
  const [done, setDone] = useState<Activated>();
  const [back, setBack] = useState<Activated>();
  const check = useQuery({ ...mappingCheck(editing.flow, editing.text), enabled: step !== 'note' });
  const errors = check.data?.findings.filter((one) => one.grade === 'error').length ?? 0;
  const at = `/flows/${encodeURIComponent(editing.flow)}`;

  const attempt = async (does: () => Promise<void>) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await does();
    } catch (why) {
      setTrouble(why);
    } finally {
      setBusy(false);
    }
  };
  const compare = () =>
    attempt(async () => {
      const made = await api.post<ReleaseDetail>(`${at}/drafts`, { mapping: editing.text, note: note.trim() });
      setDraft(made);
      setOver(false);
      setComparison(await begin(editing.flow, made.release));
      setStep('compare');
      void client.invalidateQueries({ queryKey: ['flows'] });
    });
  const goLive = () =>
    attempt(async () => {
      if (!draft) return;
      const activated = await api.post<Activated>(`${at}/releases/${encodeURIComponent(draft.release)}/activate`, {
        why: note.trim(),
        instead_of: live,
      });
      setDone(activated);
      setLive(activated.release);
      setStep('live');
      editing.published(activated.release);
      void client.invalidateQueries({ queryKey: ['flows'] });
      void client.invalidateQueries({ queryKey: ['overview'] });
    });
  const goBack = () =>
    attempt(async () => {
      const before = await api.post<Activated>(`${at}/rollback`, {
        instead_of: done?.release ?? '',
        why: t('publish.backWhy'),
      });
      setBack(before);
      setLive(before.release);
      editing.discard();
      void client.invalidateQueries({ queryKey: ['flows'] });
      void client.invalidateQueries({ queryKey: ['overview'] });
    });
  const nothing = draft?.standing === 'live';

  return (
    <Dialog
      open
      headerText={t('publish.title')}
      className="dialog wide-dialog"
      onClose={close}
      footer={
        <Bar
          design="Footer"
          endContent={
            <>
              {step === 'note' && (
                <Button design="Emphasized" disabled={note.trim() === ''} onClick={() => setStep('check')}>
                  {t('publish.toCheck')}
                </Button>
              )}
              {step === 'check' && (
                <Button
                  design="Emphasized"
                  disabled={busy || check.data === undefined || errors > 0}
                  onClick={() => void compare()}
                >
                  {t('publish.toCompare')}
                </Button>
              )}
              {step === 'compare' && (
                <Button
                  design="Emphasized"
                  disabled={busy || !over || nothing || (draft?.missing ?? 0) > 0}
                  onClick={() => void goLive()}
                >
                  {t('release.activate')}
                </Button>
              )}
              {step === 'live' && !back && (
                <Button disabled={busy} onClick={() => void goBack()}>
                  {t('release.back')}
                </Button>
              )}
              <Button design="Transparent" onClick={close}>
                {t(step === 'live' ? 'close' : 'cancel')}
              </Button>
            </>
          }
        />
      }
    >
      <div className="dialog-body">
        <ol className="steps" aria-label={t('publish.steps')}>
          {STEPS.map((one, place) => (
            <li
              key={one}
              aria-current={one === step ? 'step' : undefined}
              className={STEPS.indexOf(step) > place ? 'over' : undefined}
            >
              {t(`publish.${one}`)}
            </li>
          ))}
        </ol>
        {step === 'note' && (
          <div className="field">
            <Label for={noteId} required showColon>
              {t('publish.note')}
            </Label>
            <TextArea
              id={noteId}
              rows={3}
              value={note}
              placeholder={t('publish.noteFor')}
              onInput={(event) => setNote(event.target.value)}
            />
          </div>
        )}
        {step === 'check' && (
          <>
            {errors > 0 && (
              <MessageStrip design="Negative" hideCloseButton>
                {t('publish.errors', { count: errors })}
              </MessageStrip>
            )}
            <Loaded query={check}>{(checked) => <Findings of={checked} />}</Loaded>
          </>
        )}
        {step === 'compare' && draft && (
          <>
            {draft.differs && draft.differs.mapping.length > 0 && <MappingLines of={draft.differs.mapping} />}
            {nothing && (
              <MessageStrip design="Information" hideCloseButton>
                {t('differs.none')}
              </MessageStrip>
            )}
            {draft.missing > 0 && (
              <MessageStrip design="Critical" hideCloseButton>
                {t('release.missing', { count: draft.missing })}
              </MessageStrip>
            )}
            {comparison && <ComparisonView of={comparison} onOver={() => setOver(true)} />}
          </>
        )}
        {step === 'live' && done && (
          <>
            <MessageStrip design={done.unwritten === null ? 'Positive' : 'Critical'} hideCloseButton>
              {t('release.isLive', { release: short(done.release) })}{' '}
              {done.unwritten !== null
                ? t('release.unwritten', { why: done.unwritten })
                : t('release.files', { files: done.files.join(', ') })}
            </MessageStrip>
            {back && (
              <MessageStrip design="Information" hideCloseButton>
                {t('release.backSaid', { back: short(back.release) })}
              </MessageStrip>
            )}
            <p>
              <Link to="/flows/$id/$release" params={{ id: editing.flow, release: short(done.release) }}>
                {t('publish.toRelease', { release: short(done.release) })}
              </Link>
            </p>
          </>
        )}
        <Problem of={trouble} />
      </div>
    </Dialog>
  );
}
