// Why a sign-in at the provider came to nothing.
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import type { SignInRefusal } from '../../api/types.ts';
import { useWords } from '../../words/words.ts';

export function Told({ of }: { of: SignInRefusal | undefined }) {
  const { t } = useWords();
  if (of === undefined) return null;
  const { why, detail, has, needs } = of;
  return (
    <div role="alert">
      <MessageStrip design="Negative" hideCloseButton>
        <strong>{t(`signIn.why.${why}`, { detail })}</strong>
        {why === 'no-role' && (
          <> {has.length > 0 ? t('signIn.has', { groups: has.join(', ') }) : t('signIn.hasNone')}</>
        )}
        {needs.length > 0 && <> {t('signIn.needs', { groups: needs.join(', ') })}</>}
      </MessageStrip>
    </div>
  );
}
