// What is saved, until the running host has it; or why it does not take it up.
import { BusyIndicator } from '@ui5/webcomponents-react/BusyIndicator';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useWords } from '../../words/words.ts';

export function TakenUp({ refused }: { refused: string | null }) {
  const { t } = useWords();
  if (refused !== null) {
    return (
      <MessageStrip design="Negative" hideCloseButton>
        {t('setup.refused', { why: refused })}
      </MessageStrip>
    );
  }
  return (
    <p className="taking-up" role="status">
      <BusyIndicator active delay={0} size="S" />
      <span>{t('setup.takesUp')}</span>
    </p>
  );
}
