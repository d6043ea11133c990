// Goes through an event again without writing anything, under the live release or one it ran under, as it was or edited, and
// says what would be different.
import { useQuery } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Label } from '@ui5/webcomponents-react/Label';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { overview } from '../../api/queries.ts';
import type { Rehearsal, Story } from '../../api/types.ts';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { RehearsalView } from '../../parts/rehearsal.tsx';
import { Differences } from './differences-view.tsx';
import { differences, effectsOf } from './differences.ts';

export function Rehearse({ of: story }: { of: Story }) {
  const { t } = useWords();
  const [release, setRelease] = useState('');
  const [editing, setEditing] = useState(false);
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const [told, setTold] = useState<Rehearsal>();
  const flow = useQuery(overview).data?.flows.find((flow) => flow.name === story.event.flow);
  const live = flow?.release?.digest;
  const others = [...new Set([...story.runs.map((run) => run.release), flow?.candidate?.digest])].filter(
    (digest) => digest !== undefined && digest !== live,
  );
  const payload = editing ? parsed(text) : undefined;
  const last = story.runs.at(-1);

  const go = async () => {
    setBusy(true);
    setTrouble(undefined);
    setTold(undefined);
    try {
      setTold(
        await api.post<Rehearsal>(`/events/${story.event.id}/rehearse`, {
          ...(release !== '' && { release }),
          ...(editing && { payload: payload?.value }),
        }),
      );
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Card title={t('rehearse.title')} says={t('rehearse.says')}>
      <div className="stack">
        <div className="row">
          <div className="field">
            <Label for="rehearse-release" showColon>
              {t('rehearse.release')}
            </Label>
            <Select
              id="rehearse-release"
              accessibleName={t('rehearse.release')}
              value={release}
              onChange={(event) => setRelease(event.detail.selectedOption.value ?? '')}
            >
              <Option value="">{t('rehearse.live', { digest: live?.slice(0, 10) ?? '' })}</Option>
              {others.map((digest) => (
                <Option key={digest} value={digest}>
                  {digest === flow?.candidate?.digest
                    ? t('rehearse.candidate', { digest: digest?.slice(0, 10) })
                    : digest?.slice(0, 10)}
                </Option>
              ))}
            </Select>
          </div>
          {!story.masked && (
            <CheckBox
              text={t('rehearse.edit')}
              checked={editing}
              onChange={(event) => {
                setEditing(event.target.checked);
                setText(JSON.stringify(story.event.payload, null, 2));
              }}
            />
          )}
          <Button design="Emphasized" disabled={busy || payload?.trouble !== undefined} onClick={() => void go()}>
            {t('rehearse.go')}
          </Button>
        </div>
        {editing && (
          <TextArea
            className="payload"
            accessibleName={t('timeline.payload')}
            rows={12}
            value={text}
            valueState={payload?.trouble === undefined ? 'None' : 'Negative'}
            valueStateMessage={<span>{payload?.trouble}</span>}
            onInput={(event) => setText(event.target.value)}
          />
        )}
        <Problem of={trouble} />
        {told && (
          <>
            <RehearsalView of={told} />
            {last && <Differences of={differences(effectsOf(last), told.effects)} />}
          </>
        )}
      </div>
    </Card>
  );
}

function parsed(text: string): { value?: unknown; trouble?: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (why) {
    return { trouble: why instanceof Error ? why.message : String(why) };
  }
}
