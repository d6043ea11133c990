// Takes a plugin's file, dragged here or chosen, and leads to the release that is drafted with it.
import { useQueryClient } from '@tanstack/react-query';
import { BusyIndicator } from '@ui5/webcomponents-react/BusyIndicator';
import { Button } from '@ui5/webcomponents-react/Button';
import { useRef, useState } from 'react';
import { api, Refused } from '../../api/client.ts';
import type { ReleaseDetail } from '../../api/types.ts';
import { Problem } from '../../parts/problem.tsx';
import { useGo } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { short } from './standing.tsx';

/** What the host takes at most. */
const MOST = 64 * 1024 * 1024;

export function DropPlugin({ flow }: { flow: string }) {
  const { t } = useWords();
  const go = useGo();
  const client = useQueryClient();
  const chooser = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();

  const take = async (file: File | undefined) => {
    if (!file) return;
    setTrouble(undefined);
    if (file.size > MOST) {
      setTrouble(new Refused(0, { error: t('drop.large', { name: file.name }) }));
      return;
    }
    setBusy(true);
    try {
      const made = await api.upload<ReleaseDetail>(
        `/flows/${encodeURIComponent(flow)}/plugin`,
        file,
        'application/wasm',
      );
      await client.invalidateQueries({ queryKey: ['flows'] });
      go({ to: '/flows/$id/$release', params: { id: flow, release: short(made.release) } });
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };

  return (
    <section
      className={over ? 'drop over' : 'drop'}
      aria-label={t('drop.title')}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer.files[0]);
      }}
    >
      <p>{t('drop.says')}</p>
      <input
        ref={chooser}
        type="file"
        accept=".wasm,application/wasm"
        hidden
        aria-label={t('drop.choose')}
        onChange={(event) => {
          void take(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
      <Button disabled={busy} onClick={() => chooser.current?.click()}>
        {t('drop.choose')}
      </Button>
      {busy && <BusyIndicator active delay={0} text={t('waiting')} />}
      <Problem of={trouble} />
    </section>
  );
}
