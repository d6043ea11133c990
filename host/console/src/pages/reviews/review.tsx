// One question: both records and what may be the same side by side, and each answer with what it would do.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useGo, useId } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { Refused } from '../../api/client.ts';
import { review as reviewQuery, reviews as reviewsQuery } from '../../api/queries.ts';
import { Empty } from '../../parts/empty.tsx';
import { good } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useMay } from '../../parts/me.ts';
import { Card, Page } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { Answers } from './answers.tsx';
import { Beside } from './beside.tsx';
import { Care } from './care.tsx';
import { PlannedCard } from './planned.tsx';

export default function Review() {
  const { t } = useWords();
  const id = Number(useId());
  const go = useGo();
  const query = useQuery(reviewQuery(id));
  const mayAnswer = useMay('reviewer');
  const list = useInfiniteQuery(reviewsQuery({})).data?.pages.flatMap((page) => page.reviews) ?? [];
  const place = list.findIndex((review) => review.event.id === id);
  const next = list[place + 1] ?? list.find((review) => review.event.id !== id);
  const over = query.error instanceof Refused && query.error.status === 404;

  return (
    <Page
      title={t('review.title', { id })}
      says={
        query.data && (
          <>
            {query.data.event.flow} · <span className="code">{query.data.event.key}</span> ·{' '}
            <Time at={query.data.event.created_at} /> ·{' '}
            <Link to="/events/$id" params={{ id: String(id) }}>
              {t('review.story')}
            </Link>
          </>
        )
      }
      actions={
        <>
          <Link to="/reviews" className="way">
            {t('review.all')}
          </Link>
          {next && next.event.id !== id && (
            <Link to="/reviews/$id" params={{ id: String(next.event.id) }} className="way">
              {t('review.next')}
            </Link>
          )}
        </>
      }
    >
      {over ? (
        <section className="card">
          <Empty icon={good} good title={t('review.over')} says={t('review.overSays')}>
            <Link to="/events/$id" params={{ id: String(id) }}>
              {t('review.story')}
            </Link>
          </Empty>
        </section>
      ) : (
        <Loaded query={query}>
          {(review) => (
            <>
              <Card title={t('review.question')}>
                <p className="question">{review.event.reason ?? review.event.topic}</p>
              </Card>
              <PlannedCard of={review} />
              <Beside of={review} />
              <Answers
                of={review}
                then={() =>
                  void (next && next.event.id !== id
                    ? go({ to: '/reviews/$id', params: { id: String(next.event.id) } })
                    : go({ to: '/reviews' }))
                }
              />
              {mayAnswer && <Care key={id} of={review} />}
            </>
          )}
        </Loaded>
      )}
    </Page>
  );
}
