// Follows the host's stream of events. Where it breaks, `onPoll` is called every ten seconds until it is back.

export interface Listener {
  onOverview: (data: unknown) => void;
  onReviews: (revision: number) => void;
  onPoll: () => void;
  onState: (live: boolean) => void;
}

const POLL_MS = 10_000;

/** Begins to follow; the answer ends it. */
export function follow(to: Listener, open = (path: string) => new EventSource(path)): () => void {
  let source: EventSource | undefined;
  let live: boolean | undefined;

  const tell = (now: boolean) => {
    if (live === now) return;
    live = now;
    to.onState(now);
  };
  const connect = () => {
    source = open('/api/v1/live');
    source.addEventListener('open', () => tell(true));
    source.addEventListener('error', () => tell(false));
    source.addEventListener('overview', (event) => heard(event, to.onOverview));
    source.addEventListener('reviews', (event) =>
      heard(event, (data) => to.onReviews((data as { revision: number }).revision)),
    );
  };
  const heard = (event: MessageEvent<string>, tellWhat: (data: unknown) => void) => {
    let data: unknown;
    try {
      data = JSON.parse(event.data);
    } catch {
      return; // cut off: the next one is whole
    }
    tell(true);
    tellWhat(data);
  };
  const timer = setInterval(() => {
    if (live === true) return;
    to.onPoll();
    // The browser tries again by itself after a broken line, not after an answer that was no stream.
    if (source?.readyState === EventSource.CLOSED) connect();
  }, POLL_MS);

  connect();
  return () => {
    clearInterval(timer);
    source?.close();
  };
}
