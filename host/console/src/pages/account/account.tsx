// What a person may change of the own account.
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { useMe } from '../../parts/me.ts';
import { Card, Page } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { say } from '../../parts/say.tsx';
import { Sessions } from './sessions.tsx';

export default function Account() {
  const { t } = useWords();
  const me = useMe();
  return (
    <Page title={t('account.title')} says={me && `${me.name} · ${t(`role.${me.role}`)}`}>
      {me?.has_password !== false && <Password />}
      <Sessions />
    </Page>
  );
}

function Password() {
  const { t } = useWords();
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const go = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await api.post('/session/password', { old, new: fresh });
      setOld('');
      setFresh('');
      say(t('account.changed'));
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={t('account.password')} says={t('accounts.passwordSays')}>
      <form
        className="stack narrow"
        onSubmit={(event) => {
          event.preventDefault();
          void go();
        }}
      >
        <div className="field">
          <Label for="old-password" showColon>
            {t('account.old')}
          </Label>
          <Input id="old-password" type="Password" value={old} onInput={(event) => setOld(event.target.value)} />
        </div>
        <div className="field">
          <Label for="new-password" showColon>
            {t('account.new')}
          </Label>
          <Input id="new-password" type="Password" value={fresh} onInput={(event) => setFresh(event.target.value)} />
        </div>
        <Problem of={trouble} />
        <div>
          <Button type="Submit" design="Emphasized" disabled={busy || old === '' || fresh === ''}>
            {t('account.change')}
          </Button>
        </div>
      </form>
    </Card>
  );
}
