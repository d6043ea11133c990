// Searches that were given a name, for oneself or for all.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api, query as queryString } from '../../api/client.ts';
import { views as viewsQuery } from '../../api/queries.ts';
import { useAct } from '../../parts/act.tsx';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { remove, save } from '../../parts/icons.ts';
import { useMe } from '../../parts/me.ts';
import { say } from '../../parts/say.tsx';
import { searchOf, type Search } from './filter.ts';

interface Props {
  search: Search;
  open: (search: Search) => void;
}

export function Views({ search, open }: Props) {
  const { t } = useWords();
  const client = useQueryClient();
  const me = useMe();
  const views = useQuery(viewsQuery).data ?? [];
  const [naming, setNaming] = useState(false);
  const { ask, dialog } = useAct();
  const now = queryString({ ...search }).slice(1);
  const current = views.find((view) => queryString({ ...searchOf(view.query) }).slice(1) === now);
  const stale = () => client.invalidateQueries({ queryKey: viewsQuery.queryKey });

  return (
    <>
      {views.length > 0 && (
        <Select
          accessibleName={t('views.one')}
          value={current?.name ?? ''}
          onChange={(event) => {
            const view = views.find((view) => view.name === event.detail.selectedOption.value);
            open(view ? searchOf(view.query) : {});
          }}
        >
          <Option value="">{t('views.none')}</Option>
          {views.map((view) => (
            <Option key={view.name} value={view.name} additionalText={view.shared ? t('views.shared') : ''}>
              {view.name}
            </Option>
          ))}
        </Select>
      )}
      {current ? (
        (current.by === me?.name || me?.role === 'admin') && (
          <Button
            icon={remove}
            tooltip={t('views.remove')}
            accessibleName={t('views.remove')}
            onClick={() =>
              ask({
                title: t('views.remove'),
                text: t('views.removeText', { name: current.name }),
                confirm: t('views.remove'),
                danger: true,
                go: async () => {
                  await api.remove(`/views/${encodeURIComponent(current.name)}`);
                  await stale();
                  return undefined;
                },
                said: t('views.removed'),
              })
            }
          />
        )
      ) : (
        <Button icon={save} disabled={now === ''} onClick={() => setNaming(true)}>
          {t('views.save')}
        </Button>
      )}
      {naming && (
        <Naming
          query={now}
          close={() => setNaming(false)}
          saved={() => {
            say(t('views.saved'));
            void stale();
          }}
        />
      )}
      {dialog}
    </>
  );
}

function Naming({ query, close, saved }: { query: string; close: () => void; saved: () => void }) {
  const { t } = useWords();
  const [name, setName] = useState('');
  const [shared, setShared] = useState(false);
  return (
    <FormDialog
      title={t('views.save')}
      confirm={t('save')}
      ready={name.trim() !== ''}
      close={close}
      go={async () => {
        await api.put(`/views/${encodeURIComponent(name.trim())}`, { query, shared });
        saved();
        close();
      }}
    >
      <div className="field">
        <Label for="view-name" required showColon>
          {t('views.name')}
        </Label>
        <Input id="view-name" value={name} onInput={(event) => setName(event.target.value)} />
      </div>
      <CheckBox text={t('views.forAll')} checked={shared} onChange={(event) => setShared(event.target.checked)} />
    </FormDialog>
  );
}
