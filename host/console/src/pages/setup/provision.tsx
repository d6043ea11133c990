// What Tandem needs in B1's company: its user table and fields, made while nobody works there.
import { Button } from '@ui5/webcomponents-react/Button';
import { Title } from '@ui5/webcomponents-react/Title';
import { useId, useState } from 'react';
import { api } from '../../api/client.ts';
import type { Provisioned, SetupConnection } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';

export function Provision({ of, then }: { of: SetupConnection; then: () => void }) {
  const { t } = useWords();
  const { ask, dialog } = useAct();
  const title = useId();
  const [made, setMade] = useState<Provisioned['made']>();
  const company = of.settings.kind === 'b1' ? of.settings.company : '';
  const make = () =>
    ask({
      title: t('provision.ask'),
      text: t('provision.text', { company }),
      confirm: t('provision.go'),
      danger: true,
      go: async () => {
        const at = `/setup/connections/${encodeURIComponent(of.name)}/provision`;
        setMade((await api.post<Provisioned>(at)).made);
        return undefined;
      },
      then,
      said: t('provision.said'),
    });
  return (
    <section className="stack tight part" aria-labelledby={title}>
      <Title id={title} level="H3" size="H6" wrappingType="Normal">
        {t('provision.title')}
      </Title>
      <p className="soft">{t('provision.says')}</p>
      {made && (
        <ul className="plain findings" aria-label={t('provision.title')}>
          {made.map((one) => (
            <li key={one.what}>
              <Mark tone="good">{t(one.present ? 'provision.present' : 'provision.made')}</Mark>
              <span>{one.what}</span>
            </li>
          ))}
        </ul>
      )}
      {!made && (
        <div>
          <Button disabled={!of.live} onClick={make}>
            {t('provision.go')}
          </Button>
        </div>
      )}
      {dialog}
    </section>
  );
}
