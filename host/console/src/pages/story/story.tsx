// One event, from the change that it tells of to the document that it became.
import { useQuery } from '@tanstack/react-query';
import { Link, useId } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { story as storyQuery } from '../../api/queries.ts';
import type { EventRow, EventsAct, Job, State, Story as StoryOf } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { EventsTable } from '../../parts/events-table.tsx';
import { Facts } from '../../parts/facts.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { useMay } from '../../parts/me.ts';
import { Card, Page } from '../../parts/page.tsx';
import { StateMark } from '../../parts/state.tsx';
import { Time } from '../../parts/time.tsx';
import { Rehearse } from './rehearse.tsx';
import { Timeline } from './timeline.tsx';

/** What can be run again. */
const AGAIN: readonly State[] = ['ready', 'waiting', 'review', 'rejected'];
const OPEN = ['ready', 'leased', 'waiting', 'review'];

export default function Story() {
  const { t } = useWords();
  const id = useId();
  const query = useQuery(storyQuery(Number(id)));
  const event = query.data?.event;
  return (
    <Page
      title={event ? t('story.title', { flow: event.flow, id }) : t('story.one', { id })}
      mark={event && <StateMark state={event.state} />}
      says={event?.reason ?? event?.topic}
      actions={event && <Acts of={event} />}
    >
      <Loaded query={query}>{(story) => <Told of={story} />}</Loaded>
    </Page>
  );
}

function Acts({ of: event }: { of: EventRow }) {
  const { t } = useWords();
  const mayAct = useMay('operator');
  const { ask, dialog } = useAct();
  const askFor = (act: 'retry' | 'ignore') =>
    ask({
      title: t(`events.${act}`),
      text: t(`events.${act}Text`, { count: 1 }),
      confirm: t(`events.${act}`),
      danger: act === 'ignore',
      reason: act === 'ignore' ? 'needed' : 'wished',
      go: (why) => api.post<Job>('/events/act', { act, ids: [event.id], why } satisfies EventsAct),
      said: t(`events.${act}Said`),
    });
  return (
    <>
      {event.state === 'review' && (
        <Link to="/reviews/$id" params={{ id: String(event.id) }} className="way">
          {t('story.answer')}
        </Link>
      )}
      {mayAct && AGAIN.includes(event.state) && <Button onClick={() => askFor('retry')}>{t('events.retry')}</Button>}
      {mayAct && OPEN.includes(event.state) && <Button onClick={() => askFor('ignore')}>{t('events.ignore')}</Button>}
      {dialog}
    </>
  );
}

function Told({ of: story }: { of: StoryOf }) {
  const { t } = useWords();
  const mayRehearse = useMay('operator');
  const { event } = story;
  const related: [string, string, EventRow[]][] = [
    [t('story.causedBy'), t('story.causedBySays'), story.caused_by],
    [t('story.caused'), t('story.causedSays'), story.caused],
  ];
  return (
    <>
      {story.masked && (
        <MessageStrip design="Information" hideCloseButton>
          {t('story.masked')}
        </MessageStrip>
      )}
      {event.kept && (
        <MessageStrip design="Information" hideCloseButton>
          {t(`story.kept.${event.kept}`)}
        </MessageStrip>
      )}
      {story.waits_for && (
        <MessageStrip design="Information" hideCloseButton>
          {t('story.waitsFor', {
            kind: story.waits_for.kind,
            id: story.waits_for.id,
            side: t(`side.${story.waits_for.side}`),
          })}{' '}
          <Time at={story.waits_for.until} />
        </MessageStrip>
      )}
      <Card title={t('story.facts')}>
        <Facts
          of={[
            [
              t('event.record'),
              <span key="key" className="code">
                {event.key}
              </span>,
            ],
            [t('event.topic'), event.topic],
            [t('event.taken'), <Time key="taken" at={event.created_at} />],
            [t('event.finished'), event.finished_at && <Time key="finished" at={event.finished_at} />],
            [t('event.due'), !event.finished_at && event.state !== 'review' && <Time key="due" at={event.due_at} />],
            [t('event.attempts'), String(event.attempts)],
            [
              t('event.trace'),
              <span key="trace" className="code">
                {event.trace}
              </span>,
            ],
            [
              t('event.decided'),
              event.decided && (
                <span key="decided">
                  <q>{event.decided.answer}</q> <Time at={event.decided.at} />
                  <br />
                  <span className="soft">{event.decided.asked}</span>
                </span>
              ),
            ],
            [
              t('story.links'),
              story.links.length > 0 && (
                <ul key="links" className="plain">
                  {story.links.map((link) => (
                    <li key={`${link.scope} ${link.kind} ${link.b1_id}`}>
                      {link.kind}:{' '}
                      <Link to="/explain" search={{ record: link.b1_id }} className="code">
                        {link.b1_id}
                      </Link>{' '}
                      ={' '}
                      <Link to="/explain" search={{ record: link.salesforce_id }} className="code">
                        {link.salesforce_id}
                      </Link>
                    </li>
                  ))}
                </ul>
              ),
            ],
          ]}
        />
      </Card>
      {story.behind.length > 0 && (
        <Card title={t('story.behind')} says={t('story.behindSays', { count: story.behind.length })} flush>
          <EventsTable events={story.behind} label={t('story.behind')} />
        </Card>
      )}
      <Card title={t('story.timeline')}>
        <Timeline of={story} />
      </Card>
      {mayRehearse && <Rehearse of={story} />}
      {related.map(
        ([title, says, events]) =>
          events.length > 0 && (
            <Card key={title} title={title} says={says} flush>
              <EventsTable events={events} label={title} />
            </Card>
          ),
      )}
    </>
  );
}
