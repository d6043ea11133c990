// Events found by words, flow, state and time; the address holds what is looked for, so that a link shares it.
import { useInfiniteQuery } from '@tanstack/react-query';
import { useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { useMemo, useState } from 'react';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { events as eventsQuery } from '../../api/queries.ts';
import type { EventsAct, Job } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Empty } from '../../parts/empty.tsx';
import { EventsTable } from '../../parts/events-table.tsx';
import { search as searchIcon, share } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useMay } from '../../parts/me.ts';
import { Page } from '../../parts/page.tsx';
import { useRehearsal } from '../../parts/rehearse-many.tsx';
import { say } from '../../parts/say.tsx';
import { useNow } from '../../parts/time.tsx';
import { filterOf, type Search } from './filter.ts';
import { FilterBar } from './filter-bar.tsx';
import { Views } from './views.tsx';

const NONE: ReadonlySet<number> = new Set();

export default function Events() {
  const { t } = useWords();
  const show = useSay('/events');
  const search = useSaid('/events');
  const mayAct = useMay('operator');
  const now = useNow(60);
  const filter = useMemo(() => filterOf(search, now), [search, now]);
  const query = useInfiniteQuery({ ...eventsQuery(filter), placeholderData: (before) => before });
  const [selected, select] = useState(NONE);
  const { ask, dialog } = useAct();
  const { rehearse, rehearsal } = useRehearsal();

  const look = (next: Search, replace = false) => {
    select(NONE);
    show(next, replace);
  };
  const filtered = Object.keys(search).length > 0;
  const all = query.data?.pages.flatMap((page) => page.events) ?? [];
  // What has left the list since it was selected is not acted on.
  const ids = all.map((event) => event.id).filter((id) => selected.has(id));

  const askFor = (act: 'retry' | 'ignore', whole: boolean) => {
    const count = whole && query.hasNextPage ? undefined : whole ? all.length : ids.length;
    ask({
      title: t(`events.${act}`),
      text: count === undefined ? t(`events.${act}AllText`, { count: all.length }) : t(`events.${act}Text`, { count }),
      confirm: t(`events.${act}`),
      danger: act === 'ignore' || whole,
      reason: act === 'ignore' ? 'needed' : 'wished',
      go: (why) => api.post<Job>('/events/act', { act, why, ...(whole ? { filter } : { ids }) } satisfies EventsAct),
      said: t(`events.${act}Said`),
      then: () => select(NONE),
    });
  };

  return (
    <Page
      title={t('events.title')}
      says={t('events.says')}
      actions={
        <>
          <Views search={search} open={look} />
          <Button
            icon={share}
            tooltip={t('events.share')}
            accessibleName={t('events.share')}
            onClick={() => void navigator.clipboard.writeText(location.href).then(() => say(t('events.shared')))}
          />
        </>
      }
    >
      <FilterBar search={search} look={look} />
      <section className="card flush" aria-label={t('events.found')}>
        {mayAct && all.length > 0 && (
          <div className="toolbar" role="toolbar" aria-label={t('events.acts')}>
            <span className="soft" aria-live="polite">
              {t('events.selected', { count: ids.length })}
            </span>
            <Button disabled={ids.length === 0} onClick={() => askFor('retry', false)}>
              {t('events.retry')}
            </Button>
            <Button disabled={ids.length === 0} onClick={() => askFor('ignore', false)}>
              {t('events.ignore')}
            </Button>
            <Button
              disabled={ids.length === 0}
              onClick={() => rehearse(t('rehearseMany.title', { count: ids.length }), { ids })}
            >
              {t('rehearse.go')}
            </Button>
            {filtered && (
              <Button design="Transparent" onClick={() => askFor('retry', true)}>
                {t('events.retryAll')}
              </Button>
            )}
          </div>
        )}
        <Loaded query={query}>
          {() =>
            all.length === 0 ? (
              <Empty
                icon={searchIcon}
                title={t(filtered ? 'events.noneFound' : 'events.none')}
                says={t(filtered ? 'events.noneFoundSays' : 'events.noneSays')}
              >
                {filtered && <Button onClick={() => look({})}>{t('events.clear')}</Button>}
              </Empty>
            ) : (
              <>
                <EventsTable
                  events={all}
                  label={t('events.found')}
                  selected={mayAct ? selected : undefined}
                  onSelect={mayAct ? select : undefined}
                />
                {query.hasNextPage && (
                  <div className="more">
                    <Button disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                      {t('more')}
                    </Button>
                  </div>
                )}
              </>
            )
          }
        </Loaded>
      </section>
      {dialog}
      {rehearsal}
    </Page>
  );
}
