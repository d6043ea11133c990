// Feeds what the host tells at once into the cache, so that each page shows it.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { follow } from '../api/live.ts';
import { overview } from '../api/queries.ts';
import type { Overview } from '../api/types.ts';

/** Whether what is shown is live; undefined until it is known. */
export function useLive(): boolean | undefined {
  const client = useQueryClient();
  const [live, setLive] = useState<boolean>();
  useEffect(() => {
    const stale = (...keys: string[]) => keys.forEach((key) => void client.invalidateQueries({ queryKey: [key] }));
    return follow({
      onOverview: (data) => {
        client.setQueryData(overview.queryKey, data as Overview);
        stale('events', 'kinds');
      },
      onReviews: () => stale('reviews'),
      onPoll: () => stale('session', 'overview', 'events', 'kinds', 'reviews'),
      onState: setLive,
    });
  }, [client]);
  return live;
}
