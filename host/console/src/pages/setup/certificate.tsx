// The certificate that a server shows, to be compared with the server's own before it is trusted.
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { Title } from '@ui5/webcomponents-react/Title';
import { useId } from 'react';
import type { Certificate } from '../../api/types.ts';
import { Facts } from '../../parts/facts.tsx';
import { useLocale } from '../../parts/locale.ts';
import { day } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { fingerprint } from './fingerprint.ts';

interface Props {
  of: Certificate;
  /** The fingerprint that is trusted now. */
  pinned: string | null;
  busy: boolean;
  trust: () => void;
}

export function CertificateView({ of, pinned, busy, trust }: Props) {
  const { t } = useWords();
  const locale = useLocale();
  const title = useId();
  return (
    <section className="certificate stack" aria-labelledby={title}>
      <Title id={title} level="H3" size="H6" wrappingType="Normal">
        {t(of.trusted ? 'certificate.trusted' : 'certificate.title')}
      </Title>
      {!of.trusted && (
        <>
          {pinned !== null && (
            <MessageStrip design="Critical" hideCloseButton>
              {t('certificate.other')}
            </MessageStrip>
          )}
          <p>{t('certificate.says')}</p>
        </>
      )}
      <div>
        <p className="soft">{t('certificate.fingerprint')}</p>
        <p className="code fingerprint">
          {fingerprint(of.sha256).map((group) => (
            <span key={group}>{group}</span>
          ))}
        </p>
      </div>
      <Facts
        of={[
          [t('certificate.subject'), of.subject],
          [t('certificate.issuer'), of.self_signed ? t('certificate.self') : of.issuer],
          [t('certificate.names'), of.names.join(', ')],
          [
            t('certificate.valid'),
            t('certificate.fromTo', { from: day(of.from, locale), until: day(of.until, locale) }),
          ],
        ]}
      />
      {!of.trusted && (
        <div>
          <Button design="Attention" disabled={busy} onClick={trust}>
            {t('certificate.trust')}
          </Button>
        </div>
      )}
    </section>
  );
}
