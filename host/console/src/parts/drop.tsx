// Takes a plugin's file, dragged here or chosen, and hands it on.
import { BusyIndicator } from '@ui5/webcomponents-react/BusyIndicator';
import { Button } from '@ui5/webcomponents-react/Button';
import { useRef, useState } from 'react';
import { Refused } from '../api/client.ts';
import { useWords } from '../words/words.ts';
import { Problem } from './problem.tsx';

/** What the host takes at most. */
const MOST = 64 * 1024 * 1024;

interface Props {
  says: string;
  send: (file: File) => Promise<void>;
}

export function Drop({ says, send }: Props) {
  const { t } = useWords();
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
      await send(file);
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
      <p>{says}</p>
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
