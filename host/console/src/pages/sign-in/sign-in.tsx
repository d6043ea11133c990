import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { Title } from '@ui5/webcomponents-react/Title';
import { useEffect, useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api, carry, query } from '../../api/client.ts';
import { session, ways as waysQuery } from '../../api/queries.ts';
import type { Me } from '../../api/types.ts';
import picture from '../../look/tandem.svg';
import { Problem } from '../../parts/problem.tsx';
import { LanguageChoice } from '../../shell/choices.tsx';
import { Told } from './told.tsx';

export default function SignIn() {
  const { t } = useWords();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const { data: ways } = useQuery(waysQuery);
  const takesPasswords = ways?.password ?? true;
  useEffect(() => {
    document.title = `${t('signIn.title')} · Tandem`;
  }, [t]);

  const go = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const me = await api.post<Me>('/session', { name: name.trim(), password });
      carry(me.csrf);
      // What another person saw here before is not this one's to see.
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
      client.setQueryData(session.queryKey, me);
    } catch (trouble) {
      setTrouble(trouble);
      setBusy(false);
    }
  };
  return (
    <main className="alone">
      <form
        className="sign-in card"
        onSubmit={(event) => {
          event.preventDefault();
          void go();
        }}
      >
        <img src={picture} alt="" width="48" height="48" />
        <Title level="H1" size="H3">
          {t('signIn.title')}
        </Title>
        <p className="soft">{t('signIn.says')}</p>
        {trouble === undefined && <Told of={ways?.refused ?? undefined} />}
        <Problem of={trouble} />
        {takesPasswords && (
          <>
            <div className="field">
              <Label for="name" showColon>
                {t('signIn.name')}
              </Label>
              <Input id="name" required value={name} onInput={(event) => setName(event.target.value)} />
            </div>
            <div className="field">
              <Label for="password" showColon>
                {t('signIn.password')}
              </Label>
              <Input
                id="password"
                type="Password"
                required
                value={password}
                onInput={(event) => setPassword(event.target.value)}
              />
            </div>
            <Button design="Emphasized" type="Submit" disabled={busy || name === '' || password === ''}>
              {t('signIn.go')}
            </Button>
          </>
        )}
        {ways?.oidc && (
          <Button
            design={takesPasswords ? 'Default' : 'Emphasized'}
            onClick={() => {
              // Off to the provider, and back to the very address that was asked for.
              const to = location.pathname + location.search;
              location.assign(`/api/v1/session/oidc${query({ to })}`);
            }}
          >
            {t('signIn.with', { name: ways.oidc.name })}
          </Button>
        )}
        <LanguageChoice />
      </form>
    </main>
  );
}
