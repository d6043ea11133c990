// What the pages ask for, by the names under which the cache keeps it.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, carry } from './client.ts';
import type * as T from './types.ts';

export const session = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }) => {
    const me = await api.get<T.Me>('/session', {}, signal);
    carry(me.csrf);
    return me;
  },
  staleTime: 60_000,
});

/** Asked once: what it says of the last try, it says once. */
export const ways = queryOptions({
  queryKey: ['ways'],
  queryFn: ({ signal }) => api.get<T.Ways>('/session/ways', {}, signal),
  staleTime: Infinity,
});

export const overview = queryOptions({
  queryKey: ['overview'],
  queryFn: ({ signal }) => api.get<T.Overview>('/overview', {}, signal),
});

export const rates = (range: T.Range) =>
  queryOptions({
    queryKey: ['rates', range],
    queryFn: ({ signal }) => api.get<T.Rates>('/rates', { range }, signal),
    refetchInterval: range === 'hour' ? 30_000 : 300_000,
  });

export const events = (filter: T.EventFilter) =>
  infiniteQueryOptions({
    queryKey: ['events', filter],
    queryFn: ({ pageParam, signal }) =>
      api.get<T.EventPage>('/events', { ...filter, before: pageParam, limit: 50 }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.more ? last.events.at(-1)?.id : undefined),
  });

export const story = (id: number) =>
  queryOptions({
    queryKey: ['events', 'story', id],
    queryFn: ({ signal }) => api.get<T.Story>(`/events/${id}`, {}, signal),
  });

export const views = queryOptions({
  queryKey: ['views'],
  queryFn: async ({ signal }) => (await api.get<{ views: T.View[] }>('/views', {}, signal)).views,
});

export const kinds = (flow?: string) =>
  queryOptions({
    queryKey: ['kinds', flow ?? ''],
    queryFn: async ({ signal }) => (await api.get<{ kinds: T.Kind[] }>('/kinds', { flow }, signal)).kinds,
  });

export const agents = queryOptions({
  queryKey: ['agents'],
  queryFn: async ({ signal }) => (await api.get<{ agents: T.Agent[] }>('/agents', {}, signal)).agents,
});

const BUSY_MS = 1_000;

/** Read again while one of them is under way. */
export const agentRuns = (name: string) =>
  queryOptions({
    queryKey: ['agents', name, 'runs'],
    queryFn: async ({ signal }) => (await api.get<{ runs: T.AgentRun[] }>(`/agents/${name}/runs`, {}, signal)).runs,
    refetchInterval: (query) => query.state.data?.some((run) => run.state === 'under way') && BUSY_MS,
  });

export const agentRun = (name: string, id: number) =>
  queryOptions({
    queryKey: ['agents', name, 'runs', id],
    queryFn: ({ signal }) => api.get<T.AgentRun & { steps: T.AgentStep[] }>(`/agents/${name}/runs/${id}`, {}, signal),
    refetchInterval: (query) => query.state.data?.state === 'under way' && BUSY_MS,
  });

export const explain = (record: string, field: string) =>
  queryOptions({
    queryKey: ['explain', record, field],
    queryFn: ({ signal }) => api.get<T.Explained>('/explain', { record, field }, signal),
    enabled: record !== '',
  });

/** Read from both systems: once for each visit, and again when somebody says so. */
export const explainNow = (record: string, field: string) =>
  queryOptions({
    queryKey: ['explain-now', record, field],
    queryFn: ({ signal }) => api.get<T.Now>('/explain/now', { record, field }, signal),
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });

/** Looked at each second while both sides are compared; now and then otherwise, as it may begin by schedule. */
export const reconcile = queryOptions({
  queryKey: ['reconcile', 'now'],
  queryFn: ({ signal }) => api.get<T.Reconcile>('/reconcile', {}, signal),
  refetchInterval: ({ state: { data } }) => (data?.run?.state === 'goes-on' ? 1_000 : 30_000),
});
export const reports = infiniteQueryOptions({
  queryKey: ['reconcile', 'reports'],
  queryFn: ({ pageParam, signal }) =>
    api.get<T.ReportPage>('/reconcile/reports', { before: pageParam, limit: 20 }, signal),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => (last.more ? last.reports.at(-1)?.name : undefined),
});
const reportOf = (name: string) => `/reconcile/reports/${encodeURIComponent(name)}`;
/** What is kept of a report does not change. */
export const report = (name: string) =>
  queryOptions({
    queryKey: ['reconcile', 'report', name],
    queryFn: ({ signal }) => api.get<T.Report>(reportOf(name), {}, signal),
    staleTime: Infinity,
  });
export const differences = (name: string, filter: T.DifferenceFilter) =>
  infiniteQueryOptions({
    queryKey: ['reconcile', 'differences', name, filter],
    queryFn: ({ pageParam, signal }) =>
      api.get<T.DifferencePage>(`${reportOf(name)}/differences`, { ...filter, from: pageParam, limit: 50 }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: Infinity,
  });
export const difference = (name: string, place: number) =>
  queryOptions({
    queryKey: ['reconcile', 'difference', name, place],
    queryFn: ({ signal }) =>
      api.get<T.DifferencePage>(`${reportOf(name)}/differences`, { from: place, limit: 1 }, signal),
    staleTime: Infinity,
  });

export const reviews = (filter: T.ReviewFilter) =>
  infiniteQueryOptions({
    queryKey: ['reviews', filter],
    queryFn: ({ pageParam, signal }) =>
      api.get<T.ReviewPage>('/reviews', { ...filter, before: pageParam, limit: 50 }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.more ? last.reviews.at(-1)?.event.id : undefined),
  });

export const review = (id: number) =>
  queryOptions({
    queryKey: ['reviews', 'one', id],
    queryFn: ({ signal }) => api.get<T.Review>(`/reviews/${id}`, {}, signal),
  });

export const job = (id: string) =>
  queryOptions({
    queryKey: ['jobs', id],
    queryFn: ({ signal }) => api.get<T.Job>(`/jobs/${encodeURIComponent(id)}`, {}, signal),
    // A host that was started anew, or took up another configuration, knows it no more.
    refetchInterval: (of) => (of.state.data?.over || of.state.error ? false : 500),
  });

export const accounts = queryOptions({
  queryKey: ['accounts'],
  queryFn: async ({ signal }) => (await api.get<{ accounts: T.Account[] }>('/accounts', {}, signal)).accounts,
});
export const sessions = queryOptions({
  queryKey: ['sessions'],
  queryFn: async ({ signal }) => (await api.get<{ sessions: T.Session[] }>('/sessions', {}, signal)).sessions,
});
export const tokens = queryOptions({
  queryKey: ['tokens'],
  queryFn: async ({ signal }) => (await api.get<{ tokens: T.Token[] }>('/tokens', {}, signal)).tokens,
});
export const audit = (filter: { q?: string; who?: string }) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam, signal }) =>
      api.get<T.ActPage>('/audit', { ...filter, before: pageParam, limit: 100 }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.more ? last.acts.at(-1)?.id : undefined),
  });
/** The host goes through the whole trail for it. */
export const auditChain = queryOptions({
  queryKey: ['audit', 'chain'],
  queryFn: ({ signal }) => api.get<T.AuditChain>('/audit/chain', {}, signal),
  staleTime: 60_000,
});

const path = encodeURIComponent;

export const flows = queryOptions({
  queryKey: ['flows'],
  queryFn: async ({ signal }) => (await api.get<{ flows: T.FlowInfo[] }>('/flows', {}, signal)).flows,
});
export const releases = (flow: string) =>
  queryOptions({
    queryKey: ['flows', flow, 'releases'],
    queryFn: async ({ signal }) =>
      (await api.get<{ releases: T.ReleaseRow[] }>(`/flows/${path(flow)}/releases`, {}, signal)).releases,
  });
export const release = (flow: string, digest: string) =>
  queryOptions({
    queryKey: ['flows', flow, 'release', digest],
    queryFn: ({ signal }) => api.get<T.ReleaseDetail>(`/flows/${path(flow)}/releases/${path(digest)}`, {}, signal),
  });
export const comparison = (id: string) =>
  queryOptions({
    queryKey: ['comparisons', id],
    queryFn: ({ signal }) => api.get<T.Comparison>(`/comparisons/${path(id)}`, {}, signal),
    // A host that was started anew, or took up another configuration, knows it no more.
    refetchInterval: (of) => (of.state.data?.over || of.state.error ? false : 500),
  });

// --- the mapping editor

const mappingOf = (flow: string) => `/flows/${path(flow)}/mapping`;

export const mapping = (flow: string, release?: string) =>
  queryOptions({
    queryKey: ['mapping', flow, 'kept', release ?? ''],
    queryFn: ({ signal }) => api.get<T.MappingDoc>(mappingOf(flow), { release }, signal),
    // Whoever edits is not interrupted: what the files say is read again when the page is opened again.
    staleTime: Infinity,
    gcTime: 0,
  });
/** What a text says that nobody kept. */
export const mappingRead = (flow: string, text: string) =>
  queryOptions({
    queryKey: ['mapping', flow, 'text', text],
    queryFn: () => api.post<T.MappingDoc>(`${mappingOf(flow)}/edit`, { text, edits: [] }),
    staleTime: Infinity,
    gcTime: 60_000,
  });
export const mappingFields = (flow: string, section: string, object?: string) =>
  queryOptions({
    queryKey: ['mapping', flow, 'fields', section, object ?? ''],
    queryFn: ({ signal }) => api.get<T.SectionFields>(`${mappingOf(flow)}/fields`, { section, object }, signal),
    staleTime: 300_000,
  });
export const mappingCheck = (flow: string, text: string) =>
  queryOptions({
    queryKey: ['mapping', flow, 'check', text],
    queryFn: () => api.post<T.Checked>(`${mappingOf(flow)}/check`, { text }),
    staleTime: 30_000,
    gcTime: 60_000,
  });
export const mappingRecords = (flow: string, section: string, way: T.OneWay) =>
  queryOptions({
    queryKey: ['mapping', flow, 'records', section, way],
    queryFn: async ({ signal }) =>
      (await api.get<{ records: T.TryRecord[] }>(`${mappingOf(flow)}/records`, { section, way }, signal)).records,
    staleTime: 60_000,
  });
export const mappingPreview = (flow: string, of: { text: string; section: string; way: T.OneWay; records: string[] }) =>
  queryOptions({
    queryKey: ['mapping', flow, 'preview', of],
    queryFn: async () => (await api.post<{ records: T.Previewed[] }>(`${mappingOf(flow)}/preview`, of)).records,
    enabled: of.records.length > 0,
    staleTime: 30_000,
    gcTime: 60_000,
  });
export const expressionWords = queryOptions({
  queryKey: ['expression', 'words'],
  queryFn: async ({ signal }) => (await api.get<{ words: T.Word[] }>('/expression/words', {}, signal)).words,
  staleTime: Infinity,
});

// --- the set-up assistant

/** Whether the host has taken up all that is saved, or has said why not. */
function settled(of: T.Setup): boolean {
  return (
    of.connections.every((one) => one.live) &&
    of.flows.every((one) => one.live && (one.release !== null || one.why !== null))
  );
}
export const setup = queryOptions({
  queryKey: ['setup'],
  queryFn: ({ signal }) => api.get<T.Setup>('/setup', {}, signal),
  refetchInterval: ({ state: { data } }) => {
    if (!data || settled(data)) return false;
    return data.refused === null ? 1_000 : 5_000;
  },
});
export const load = (flow: string) =>
  queryOptions({
    queryKey: ['load', flow],
    queryFn: ({ signal }) => api.get<T.Load>(`/flows/${path(flow)}/load`, {}, signal),
    refetchInterval: (of) =>
      [of.state.data?.rehearsal, of.state.data?.load].some((one) => one?.state === 'goes-on') ? 1_000 : false,
  });
