// A dialog with a few fields: says what was wrong beside them, closes when it was taken.
import { Bar } from '@ui5/webcomponents-react/Bar';
import { Button } from '@ui5/webcomponents-react/Button';
import { Dialog } from '@ui5/webcomponents-react/Dialog';
import { useState, type ReactNode } from 'react';
import { useWords } from '../words/words.ts';
import { Problem } from './problem.tsx';

interface Props {
  title: string;
  confirm: string;
  ready: boolean;
  go: () => Promise<void>;
  close: () => void;
  /** For a table in it. */
  wide?: boolean;
  children: ReactNode;
}

export function FormDialog({ title, confirm, ready, go, close, wide, children }: Props) {
  const { t } = useWords();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const send = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await go();
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      headerText={title}
      className={wide ? 'dialog wide-dialog' : 'dialog'}
      onClose={close}
      footer={
        <Bar
          design="Footer"
          endContent={
            <>
              <Button design="Emphasized" disabled={busy || !ready} onClick={() => void send()}>
                {confirm}
              </Button>
              <Button design="Transparent" onClick={close}>
                {t('cancel')}
              </Button>
            </>
          }
        />
      }
    >
      <div className="dialog-body">
        {children}
        <Problem of={trouble} />
      </div>
    </Dialog>
  );
}
