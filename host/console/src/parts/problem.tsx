// What went wrong, and what mends it: both, always.
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useWords } from '../words/words.ts';
import { Refused } from '../api/client.ts';

export function Problem({ of }: { of: unknown }) {
  const { t } = useWords();
  if (of === null || of === undefined) return null;
  const refused = of instanceof Refused ? of : undefined;
  return (
    <div role="alert">
      <MessageStrip design="Negative" hideCloseButton>
        <strong>{refused?.problem.error ?? t('problem.page')}</strong>
        {refused?.problem.mend !== undefined && <> {refused.problem.mend}</>}
        {refused?.retryAfter !== undefined && <> {t('problem.pause', { count: refused.retryAfter })}</>}
        {refused === undefined && of instanceof Error && <> {of.message}</>}
      </MessageStrip>
    </div>
  );
}
