// Sessions that are open: one's own, and for an admin all.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { session as mine, sessions as sessionsQuery } from '../../api/queries.ts';
import type { Session } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Card } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';

export function Sessions() {
  const { t } = useWords();
  const client = useQueryClient();
  const query = useQuery(sessionsQuery);
  const { ask, dialog } = useAct();
  const end = (session: Session) =>
    ask({
      title: t('sessions.end'),
      text: t(session.own ? 'sessions.endOwnText' : 'sessions.endText', { name: session.name }),
      confirm: t('sessions.end'),
      danger: true,
      go: async () => {
        await api.remove(`/sessions/${encodeURIComponent(session.id)}`);
        if (session.own) await client.resetQueries({ queryKey: mine.queryKey });
        await client.invalidateQueries({ queryKey: sessionsQuery.queryKey });
        return undefined;
      },
      said: t('sessions.ended'),
    });
  return (
    <Card title={t('access.sessions')} says={t('sessions.says')} flush>
      <Loaded query={query}>
        {(sessions) => (
          <Table
            accessibleName={t('access.sessions')}
            overflowMode="Popin"
            headerRow={
              <TableHeaderRow>
                <TableHeaderCell minWidth="9rem" importance={4}>
                  <span>{t('accounts.name')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="9rem" width="10rem" importance={1}>
                  <span>{t('sessions.since')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="9rem" width="10rem">
                  <span>{t('accounts.seen')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="14rem">
                  <span>{t('sessions.where')}</span>
                </TableHeaderCell>
                <TableHeaderCell minWidth="7rem" width="9rem" importance={3}>
                  <span>{t('acts')}</span>
                </TableHeaderCell>
              </TableHeaderRow>
            }
          >
            {sessions.map((session) => (
              <TableRow key={session.id} rowKey={session.id}>
                <TableCell>
                  <span>
                    {session.name} {session.own && <Mark tone="info">{t('sessions.own')}</Mark>}
                  </span>
                </TableCell>
                <TableCell>
                  <Time at={session.since} />
                </TableCell>
                <TableCell>
                  <Time at={session.last_seen} />
                </TableCell>
                <TableCell>
                  <span className="words">
                    {session.address} <span className="soft small">{session.agent}</span>
                  </span>
                </TableCell>
                <TableCell>
                  <Button
                    design="Transparent"
                    accessibleName={t('sessions.endOf', { name: session.name, address: session.address })}
                    onClick={() => end(session)}
                  >
                    {t('sessions.endShort')}
                  </Button>
                </TableCell>
              </TableRow>
            ))}
          </Table>
        )}
      </Loaded>
      {dialog}
    </Card>
  );
}
