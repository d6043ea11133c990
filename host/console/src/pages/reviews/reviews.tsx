// Questions that wait for an answer: one leads to its records side by side, many alike are answered at once.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { useState } from 'react';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import { api } from '../../api/client.ts';
import { reviews as reviewsQuery } from '../../api/queries.ts';
import type { Job, Review } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Empty } from '../../parts/empty.tsx';
import { FlowSelect } from '../../parts/flow-select.tsx';
import { good, search as searchIcon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { useMay, useMe } from '../../parts/me.ts';
import { Page } from '../../parts/page.tsx';
import { Time, useNow } from '../../parts/time.tsx';
import { WordsField } from '../../parts/words-field.tsx';
import { dateOf, day } from '../../words/format.ts';

const NONE: ReadonlySet<number> = new Set();

export default function Reviews() {
  const { t } = useWords();
  const say = useSay('/reviews');
  const search = useSaid('/reviews');
  const me = useMe();
  const mayAnswer = useMay('reviewer');
  const query = useInfiniteQuery({ ...reviewsQuery(search), placeholderData: (before) => before });
  const all = query.data?.pages.flatMap((page) => page.reviews) ?? [];
  const [selected, select] = useState(NONE);
  const chosen = all.filter((review) => selected.has(review.event.id));
  // Only an answer that each of them offers can be given to all.
  const [first, ...others] = chosen;
  const choices =
    first?.choices.filter(({ choice }) =>
      others.every((review) => review.choices.some((offered) => offered.choice === choice)),
    ) ?? [];
  const { ask, dialog } = useAct();
  const filtered = Object.keys(search).length > 0;

  const look = (what: typeof search) => {
    select(NONE);
    say({ ...search, ...what }, true);
  };
  const toggle = (id: number) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    select(next);
  };

  return (
    <Page title={t('reviews.title')} says={t('reviews.says')}>
      <search className="filters">
        <WordsField said={search.q ?? ''} label={t('reviews.words')} onChange={(q) => look({ q })} />
        <FlowSelect value={search.flow ?? ''} onChange={(flow) => look({ flow })} />
        <CheckBox
          text={t('reviews.mine')}
          checked={search.assignee === me?.name}
          onChange={(event) => look({ assignee: event.target.checked ? me?.name : '' })}
        />
      </search>
      <section className="card flush" aria-label={t('reviews.title')}>
        {chosen.length > 0 && (
          <div className="toolbar" role="toolbar" aria-label={t('reviews.together')}>
            <span aria-live="polite">{t('reviews.selected', { count: chosen.length })}</span>
            {choices.length === 0 && <span className="soft">{t('reviews.noCommon')}</span>}
            {choices.map(({ choice, does }) => (
              <Button
                key={choice}
                tooltip={does}
                onClick={() =>
                  ask({
                    title: t('reviews.answer', { choice }),
                    text: (
                      <>
                        <p>{t('reviews.answerText', { count: chosen.length, choice })}</p>
                        <p className="soft">{does}</p>
                      </>
                    ),
                    confirm: t('reviews.answerGo', { count: chosen.length }),
                    danger: chosen.length > 1,
                    reason: 'wished',
                    go: (why) =>
                      api.post<Job>('/reviews/answer', { ids: chosen.map(({ event }) => event.id), choice, why }),
                    said: t('reviews.answered', { count: chosen.length }),
                    then: () => select(NONE),
                  })
                }
              >
                {choice}
              </Button>
            ))}
          </div>
        )}
        <Loaded query={query}>
          {() =>
            all.length === 0 ? (
              <Empty
                icon={filtered ? searchIcon : good}
                good={!filtered}
                title={t(filtered ? 'reviews.noneFound' : 'reviews.none')}
                says={t(filtered ? 'events.noneFoundSays' : 'reviews.noneSays')}
              >
                {filtered && <Button onClick={() => say({})}>{t('events.clear')}</Button>}
              </Empty>
            ) : (
              <>
                <ul className="rows">
                  {all.map((review) => (
                    <Row
                      key={review.event.id}
                      of={review}
                      selected={selected.has(review.event.id)}
                      toggle={mayAnswer ? toggle : undefined}
                    />
                  ))}
                </ul>
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
    </Page>
  );
}

interface RowProps {
  of: Review;
  selected: boolean;
  toggle?: (id: number) => void;
}

function Row({ of: review, selected, toggle }: RowProps) {
  const { t } = useWords();
  const locale = useLocale();
  const now = useNow(60);
  const { event } = review;
  const late = review.due !== undefined && dateOf(review.due) < dateOf(new Date(now).toISOString());
  return (
    <li className={selected ? 'row-item selected' : 'row-item'}>
      {toggle && (
        <CheckBox
          accessibleName={t('reviews.select', { id: event.id })}
          checked={selected}
          onChange={() => toggle(event.id)}
        />
      )}
      <div className="row-what">
        <Link to="/reviews/$id" params={{ id: String(event.id) }} className="row-link">
          {event.reason ?? event.topic}
        </Link>
        <p className="soft small">
          {event.flow} · <span className="code">{event.key}</span> · <Time at={event.created_at} />
          {review.note && <> · {review.note}</>}
        </p>
      </div>
      <div className="row-marks">
        {review.candidates.length > 0 && (
          <Mark tone="plain">{t('reviews.candidates', { count: review.candidates.length })}</Mark>
        )}
        {review.assignee && <Mark tone="info">{review.assignee}</Mark>}
        {review.due && <Mark tone={late ? 'bad' : 'warn'}>{t('reviews.due', { day: day(review.due, locale) })}</Mark>}
      </div>
    </li>
  );
}
