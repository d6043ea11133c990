// A plugin's file leads to the release that is drafted with it.
import { useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client.ts';
import type { ReleaseDetail } from '../../api/types.ts';
import { Drop } from '../../parts/drop.tsx';
import { useGo } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { short } from './standing.tsx';

export function DropPlugin({ flow }: { flow: string }) {
  const { t } = useWords();
  const go = useGo();
  const client = useQueryClient();
  const send = async (file: File) => {
    const made = await api.upload<ReleaseDetail>(`/flows/${encodeURIComponent(flow)}/plugin`, file, 'application/wasm');
    await client.invalidateQueries({ queryKey: ['flows'] });
    go({ to: '/flows/$id/$release', params: { id: flow, release: short(made.release) } });
  };
  return <Drop says={t('drop.says')} send={send} />;
}
