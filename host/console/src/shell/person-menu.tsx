// What concerns the person alone: language, look, own account, the way out.
import { useQueryClient } from '@tanstack/react-query';
import { useGo } from '../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { Popover } from '@ui5/webcomponents-react/Popover';
import { useState } from 'react';
import { useWords } from '../words/words.ts';
import { api } from '../api/client.ts';
import { session } from '../api/queries.ts';
import type { Me } from '../api/types.ts';
import { Problem } from '../parts/problem.tsx';
import { LanguageChoice, LookChoice } from './choices.tsx';

export function PersonMenu({ me, opener, close }: { me: Me; opener: HTMLElement | undefined; close: () => void }) {
  const { t } = useWords();
  const go = useGo();
  const client = useQueryClient();
  const [trouble, setTrouble] = useState<unknown>();

  const leave = async () => {
    try {
      const left = await api.remove<{ to?: string } | undefined>('/session');
      // Who signed in at a provider signs out there, too.
      if (left?.to !== undefined) return location.assign(left.to);
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
      await client.resetQueries({ queryKey: session.queryKey });
    } catch (trouble) {
      setTrouble(trouble);
    }
  };
  return (
    <Popover
      opener={opener}
      open={opener !== undefined}
      onClose={close}
      accessibleName={t('shell.person', { name: me.name })}
      placement="Bottom"
    >
      <div className="person">
        <div>
          <strong>{me.name}</strong>
          <p className="soft">
            {t(`role.${me.role}`)}
            {me.flows && <> · {me.flows.join(', ')}</>}
          </p>
        </div>
        <LanguageChoice />
        <LookChoice />
        <Problem of={trouble} />
        <Button
          onClick={() => {
            close();
            void go({ to: '/account' });
          }}
        >
          {t('account.title')}
        </Button>
        <Button design="Transparent" onClick={() => void leave()}>
          {t('shell.leave')}
        </Button>
      </div>
    </Popover>
  );
}
