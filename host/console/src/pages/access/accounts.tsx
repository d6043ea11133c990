import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { accounts as accountsQuery } from '../../api/queries.ts';
import type { Account } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { add } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useMe } from '../../parts/me.ts';
import { Card } from '../../parts/page.tsx';
import { say } from '../../parts/say.tsx';
import { Time } from '../../parts/time.tsx';
import { RightsFields, RightsShown, type Rights } from './rights.tsx';

export function Accounts() {
  const { t } = useWords();
  const client = useQueryClient();
  const me = useMe();
  const query = useQuery(accountsQuery);
  const [edited, edit] = useState<Account | 'new'>();
  const { ask, dialog } = useAct();
  const stale = () => client.invalidateQueries({ queryKey: accountsQuery.queryKey });
  const remove = (account: Account) =>
    ask({
      title: t('accounts.remove'),
      text: t('accounts.removeText', { name: account.name }),
      confirm: t('accounts.remove'),
      danger: true,
      go: async () => {
        await api.remove(`/accounts/${encodeURIComponent(account.name)}`);
        await stale();
        return undefined;
      },
      said: t('accounts.removed'),
    });
  return (
    <Card
      title={t('access.accounts')}
      says={t('accounts.says')}
      actions={
        <Button icon={add} onClick={() => edit('new')}>
          {t('accounts.new')}
        </Button>
      }
      flush
    >
      <Loaded query={query}>
        {(accounts) => (
          <Table
            accessibleName={t('access.accounts')}
            overflowMode="Popin"
            headerRow={
              <TableHeaderRow>
                <TableHeaderCell minWidth="9rem" importance={4}>
                  <span>{t('accounts.name')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="9rem" importance={3}>
                  <span>{t('role.one')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="8rem" width="10rem">
                  <span>{t('accounts.from')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="9rem" width="10rem">
                  <span>{t('accounts.seen')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="13rem" width="16rem" importance={2}>
                  <span>{t('acts')}</span>
                </TableHeaderCell>
              </TableHeaderRow>
            }
          >
            {accounts.map((account) => (
              <TableRow key={account.name} rowKey={account.name}>
                <TableCell>{account.name}</TableCell>
                <TableCell>
                  <RightsShown of={account} />
                </TableCell>
                <TableCell>{t(`accounts.is.${account.from}`)}</TableCell>
                <TableCell>
                  {account.last_seen ? <Time at={account.last_seen} /> : <span className="soft">{t('never')}</span>}
                </TableCell>
                <TableCell>
                  <div className="actions">
                    {account.from === 'oidc' ? (
                      <span className="soft small">{t('accounts.elsewhere')}</span>
                    ) : (
                      <Button
                        design="Transparent"
                        accessibleName={t('accounts.changeOf', { name: account.name })}
                        onClick={() => edit(account)}
                      >
                        {t('change')}
                      </Button>
                    )}
                    {account.name !== me?.name && (
                      <Button
                        design="Transparent"
                        accessibleName={t('accounts.removeOf', { name: account.name })}
                        onClick={() => remove(account)}
                      >
                        {t('remove')}
                      </Button>
                    )}
                  </div>
                </TableCell>
              </TableRow>
            ))}
          </Table>
        )}
      </Loaded>
      {edited && (
        <Edit
          of={edited === 'new' ? undefined : edited}
          close={() => edit(undefined)}
          kept={() => {
            say(t('accounts.kept'));
            void stale();
          }}
        />
      )}
      {dialog}
    </Card>
  );
}

function Edit({ of, close, kept }: { of: Account | undefined; close: () => void; kept: () => void }) {
  const { t } = useWords();
  const [name, setName] = useState(of?.name ?? '');
  const [rights, setRights] = useState<Rights>({ role: of?.role ?? 'viewer', flows: of?.flows ?? null });
  const [password, setPassword] = useState('');
  return (
    <FormDialog
      title={of ? t('accounts.changeOf', { name: of.name }) : t('accounts.new')}
      confirm={t('save')}
      ready={name.trim() !== '' && (of !== undefined || password !== '')}
      close={close}
      go={async () => {
        await api.put(`/accounts/${encodeURIComponent(name.trim())}`, { ...rights, ...(password && { password }) });
        kept();
        close();
      }}
    >
      {!of && (
        <div className="field">
          <Label for="account-name" required showColon>
            {t('accounts.name')}
          </Label>
          <Input id="account-name" value={name} onInput={(event) => setName(event.target.value)} />
        </div>
      )}
      <RightsFields of={rights} onChange={setRights} />
      <div className="field">
        <Label for="account-password" required={!of} showColon>
          {of ? t('accounts.newPassword') : t('signIn.password')}
        </Label>
        <Input
          id="account-password"
          type="Password"
          value={password}
          onInput={(event) => setPassword(event.target.value)}
        />
        <p className="soft small">{t('accounts.passwordSays')}</p>
      </div>
    </FormDialog>
  );
}
