// A flow's settings as a form; what is changed is kept as a draft of a release.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { useState } from 'react';
import { api } from '../../api/client.ts';
import { release as releaseQuery } from '../../api/queries.ts';
import type { ReleaseDetail } from '../../api/types.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Card } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { useGo } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { formOf } from './form.ts';
import { SettingsForm, useWrong } from './settings-form.tsx';
import { short } from './standing.tsx';

type Values = Record<string, unknown>;

export function Settings({ flow, live, mayAct }: { flow: string; live: string; mayAct: boolean }) {
  const { t } = useWords();
  const query = useQuery(releaseQuery(flow, live));
  return (
    <Card title={t('flows.settings')} says={t('settings.says')}>
      <Loaded query={query}>{(detail) => <Form key={detail.release} flow={flow} of={detail} mayAct={mayAct} />}</Loaded>
    </Card>
  );
}

function Form({ flow, of, mayAct }: { flow: string; of: ReleaseDetail; mayAct: boolean }) {
  const { t } = useWords();
  const go = useGo();
  const client = useQueryClient();
  const [values, setValues] = useState<Values>(of.settings);
  const { wrong, mark } = useWrong();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const fields = of.schema ? formOf(of.schema) : [];
  const changed = JSON.stringify(values) !== JSON.stringify(of.settings);
  if (fields.length === 0) return <p className="soft">{t('settings.none')}</p>;

  const keep = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const made = await api.post<ReleaseDetail>(`/flows/${encodeURIComponent(flow)}/drafts`, { settings: values });
      await client.invalidateQueries({ queryKey: ['flows'] });
      go({ to: '/flows/$id/$release', params: { id: flow, release: short(made.release) } });
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <SettingsForm of={fields} values={values} onChange={setValues} mark={mark} locked={!mayAct} />
      <Problem of={trouble} />
      {mayAct ? (
        <div className="actions">
          <Button design="Emphasized" disabled={!changed || busy || wrong} onClick={() => void keep()}>
            {t('settings.keep')}
          </Button>
          <Button design="Transparent" disabled={!changed} onClick={() => setValues(of.settings)}>
            {t('settings.undo')}
          </Button>
        </div>
      ) : (
        <p className="soft">{t('settings.notYours')}</p>
      )}
    </div>
  );
}
