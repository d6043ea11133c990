// Feeds what the host tells at once into the cache, so that each page shows it.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { follow } from '../api/live.ts';
import { overview } from '../api/queries.ts';
import type { Overview, Story } from '../api/types.ts';

const LISTS_MS = 3_000;

/** Whether it is the story of an event that is finished: nothing more happens in it. */
function told(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'runs' in data && (data as Story).event.finished_at !== undefined;
}

/** Which releases an overview tells of. */
function releasesIn(of: Overview | undefined): string {
  return JSON.stringify(of?.flows.map((flow) => [flow.name, flow.release?.digest, flow.candidate]));
}

/** Whether what is shown is live; undefined until it is known. */
export function useLive(): boolean | undefined {
  const client = useQueryClient();
  const [live, setLive] = useState<boolean>();
  useEffect(() => {
    const stale = (...keys: string[]) => keys.forEach((key) => void client.invalidateQueries({ queryKey: [key] }));
    // Lists are read again a while after something changed, and not with each change: many may be looking.
    let soon: ReturnType<typeof setTimeout> | undefined;
    const lists = () => {
      soon ??= setTimeout(() => {
        soon = undefined;
        stale('kinds');
        void client.invalidateQueries({ queryKey: ['events'], predicate: (query) => !told(query.state.data) });
      }, LISTS_MS);
    };
    const end = follow({
      onOverview: (data) => {
        // Somebody made another release live, or one waits: what is shown of releases is read again.
        if (releasesIn(data as Overview) !== releasesIn(client.getQueryData(overview.queryKey))) stale('flows');
        client.setQueryData(overview.queryKey, data as Overview);
        lists();
      },
      onReviews: () => stale('reviews'),
      onPoll: () => stale('session', 'overview', 'events', 'kinds', 'reviews', 'flows'),
      onState: setLive,
    });
    return () => {
      clearTimeout(soon);
      end();
    };
  }, [client]);
  return live;
}
