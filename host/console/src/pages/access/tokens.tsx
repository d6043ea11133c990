import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { tokens as tokensQuery } from '../../api/queries.ts';
import { PURPOSES, type Purpose, type Token } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Empty } from '../../parts/empty.tsx';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { access, add } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Moment } from '../../parts/moment.tsx';
import { Card } from '../../parts/page.tsx';
import { say } from '../../parts/say.tsx';
import { Time } from '../../parts/time.tsx';
import { RightsFields, RightsShown, type Rights } from './rights.tsx';

const QUARTER_MS = 90 * 86_400_000;

export function Tokens() {
  const { t } = useWords();
  const client = useQueryClient();
  const query = useQuery(tokensQuery);
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState<string>();
  const { ask, dialog } = useAct();
  const stale = () => client.invalidateQueries({ queryKey: tokensQuery.queryKey });
  const remove = (token: Token) =>
    ask({
      title: t('tokens.remove'),
      text: t('tokens.removeText', { name: token.name }),
      confirm: t('tokens.remove'),
      danger: true,
      go: async () => {
        await api.remove(`/tokens/${encodeURIComponent(token.id)}`);
        await stale();
        return undefined;
      },
      said: t('tokens.removed'),
    });
  return (
    <Card
      title={t('access.tokens')}
      says={t('tokens.says')}
      actions={
        <Button icon={add} onClick={() => setMaking(true)}>
          {t('tokens.new')}
        </Button>
      }
      flush
    >
      {secret !== undefined && (
        <div className="secret" role="status">
          <MessageStrip design="Critical" onClose={() => setSecret(undefined)}>
            {t('tokens.once')}
          </MessageStrip>
          <div className="row">
            <code>{secret}</code>
            <Button onClick={() => void navigator.clipboard.writeText(secret).then(() => say(t('copied')))}>
              {t('copy')}
            </Button>
          </div>
        </div>
      )}
      <Loaded query={query}>
        {(tokens) =>
          tokens.length === 0 ? (
            <Empty icon={access} title={t('tokens.none')} says={t('tokens.noneSays')} />
          ) : (
            <Table
              accessibleName={t('access.tokens')}
              overflowMode="Popin"
              headerRow={
                <TableHeaderRow>
                  <TableHeaderCell minWidth="9rem" importance={4}>
                    <span>{t('accounts.name')}</span>
                  </TableHeaderCell>
                  <TableHeaderCell minWidth="9rem" importance={3}>
                    <span>{t('role.one')}</span>
                  </TableHeaderCell>
                  <TableHeaderCell minWidth="8rem" width="9rem">
                    <span>{t('tokens.by')}</span>
                  </TableHeaderCell>
                  <TableHeaderCell minWidth="9rem" width="10rem">
                    <span>{t('tokens.expires')}</span>
                  </TableHeaderCell>
                  <TableHeaderCell minWidth="9rem" width="10rem">
                    <span>{t('tokens.used')}</span>
                  </TableHeaderCell>
                  <TableHeaderCell minWidth="8rem" width="9rem" importance={2}>
                    <span>{t('acts')}</span>
                  </TableHeaderCell>
                </TableHeaderRow>
              }
            >
              {tokens.map((token) => (
                <TableRow key={token.id} rowKey={token.id}>
                  <TableCell>
                    <span>
                      {token.name} <span className="soft">{t(`tokens.purpose.${token.purpose}`)}</span>
                    </span>
                  </TableCell>
                  <TableCell>
                    <RightsShown of={token} />
                  </TableCell>
                  <TableCell>{token.by}</TableCell>
                  <TableCell>
                    <Time at={token.expires_at} />
                  </TableCell>
                  <TableCell>
                    {token.last_used ? <Time at={token.last_used} /> : <span className="soft">{t('never')}</span>}
                  </TableCell>
                  <TableCell>
                    <Button
                      design="Transparent"
                      accessibleName={t('tokens.removeOf', { name: token.name })}
                      onClick={() => remove(token)}
                    >
                      {t('remove')}
                    </Button>
                  </TableCell>
                </TableRow>
              ))}
            </Table>
          )
        }
      </Loaded>
      {making && (
        <Making
          close={() => setMaking(false)}
          made={(secret) => {
            setSecret(secret);
            void stale();
          }}
        />
      )}
      {dialog}
    </Card>
  );
}

function Making({ close, made }: { close: () => void; made: (secret: string) => void }) {
  const { t } = useWords();
  const [name, setName] = useState('');
  const [purpose, setPurpose] = useState<Purpose>('api');
  const [rights, setRights] = useState<Rights>({ role: 'viewer', flows: null });
  const [expires, setExpires] = useState(() => new Date(Date.now() + QUARTER_MS).toISOString().slice(0, 10));
  return (
    <FormDialog
      title={t('tokens.new')}
      confirm={t('tokens.make')}
      ready={name.trim() !== '' && expires !== ''}
      close={close}
      go={async () => {
        const expires_at = new Date(`${expires}T23:59:59.000`).toISOString();
        const { secret } = await api.post<{ token: Token; secret: string }>('/tokens', {
          name: name.trim(),
          purpose,
          ...rights,
          expires_at,
        });
        made(secret);
        close();
      }}
    >
      <div className="field">
        <Label for="token-name" required showColon>
          {t('accounts.name')}
        </Label>
        <Input
          id="token-name"
          value={name}
          placeholder={t('tokens.nameFor')}
          onInput={(event) => setName(event.target.value)}
        />
      </div>
      <div className="field">
        <Label for="token-purpose" showColon>
          {t('tokens.opens')}
        </Label>
        <Select
          id="token-purpose"
          accessibleName={t('tokens.opens')}
          value={purpose}
          onChange={(event) => {
            const purpose = PURPOSES.find((purpose) => purpose === event.detail.selectedOption.value);
            if (purpose) setPurpose(purpose);
          }}
        >
          {PURPOSES.map((purpose) => (
            <Option key={purpose} value={purpose}>
              {t(`tokens.purpose.${purpose}`)}
            </Option>
          ))}
        </Select>
        <p className="soft small">{t(`tokens.purposeSays.${purpose}`)}</p>
      </div>
      <RightsFields of={rights} onChange={setRights} />
      <Moment day label={t('tokens.expires')} value={expires} onChange={setExpires} />
    </FormDialog>
  );
}
