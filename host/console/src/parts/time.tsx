// A moment as people say it ("3 minutes ago"), with the exact one on hover.
import { useEffect, useState } from 'react';
import { exact, relative } from '../words/format.ts';
import { useLocale } from './locale.ts';

/** The present, anew every `seconds`. */
export function useNow(seconds = 15): number {
  const [now, set] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return now;
}

export function Time({ at }: { at: string }) {
  const locale = useLocale();
  const now = useNow();
  return (
    <time dateTime={at} title={exact(at, locale)} className="time">
      {relative(at, now, locale)}
    </time>
  );
}
