import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { follow, type Listener } from '../../src/api/live.ts';

class Source extends EventTarget {
  static CLOSED = 2;
  readyState = 0;
  close = vi.fn();
  say(type: string, data?: string) {
    this.dispatchEvent(data === undefined ? new Event(type) : new MessageEvent(type, { data }));
  }
}

let opened: Source[];
let heard: { [Name in keyof Listener]: ReturnType<typeof vi.fn<Listener[Name]>> };
let end: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', Source);
  opened = [];
  heard = { onOverview: vi.fn(), onReviews: vi.fn(), onPoll: vi.fn(), onState: vi.fn() };
  end = follow(heard, () => {
    const source = new Source();
    opened.push(source);
    return source as unknown as EventSource;
  });
});
afterEach(() => {
  end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function source(): Source {
  const last = opened.at(-1);
  if (!last) throw new Error('nothing was opened');
  return last;
}

test('what the stream tells is handed on', () => {
  source().say('open');
  source().say('overview', '{"needs":[]}');
  source().say('reviews', '{"revision":7}');
  expect(heard.onState.mock.calls).toEqual([[true]]);
  expect(heard.onOverview).toHaveBeenCalledWith({ needs: [] });
  expect(heard.onReviews).toHaveBeenCalledWith(7);
});

test('while it is live nothing is polled', () => {
  source().say('open');
  vi.advanceTimersByTime(60_000);
  expect(heard.onPoll).not.toHaveBeenCalled();
});

test('a stream that breaks is said, and polled for every ten seconds until it is back', () => {
  source().say('open');
  source().say('error');
  expect(heard.onState).toHaveBeenLastCalledWith(false);
  vi.advanceTimersByTime(30_000);
  expect(heard.onPoll).toHaveBeenCalledTimes(3);
  source().say('open');
  vi.advanceTimersByTime(30_000);
  expect(heard.onPoll).toHaveBeenCalledTimes(3);
  expect(heard.onState.mock.calls).toEqual([[true], [false], [true]]);
});

test('a stream that the browser has given up is opened anew', () => {
  source().say('error');
  source().readyState = Source.CLOSED;
  vi.advanceTimersByTime(10_000);
  expect(opened).toHaveLength(2);
});

test('a message that was cut off is left for the next', () => {
  source().say('overview', '{"needs":[');
  expect(heard.onOverview).not.toHaveBeenCalled();
});

test('what is left is closed', () => {
  end();
  expect(source().close).toHaveBeenCalled();
});
