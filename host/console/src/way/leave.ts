// A page that holds work which is kept nowhere else is asked before another one takes its place.
import { useEffect } from 'react';

type Asks = (go: () => void) => void;
let asks: Asks | undefined;

/** As long as `ask` is there, going to another page asks it, and closing the browser's tab asks too. */
export function useLeaving(ask: Asks | undefined): void {
  useEffect(() => {
    if (!ask) return undefined;
    asks = ask;
    const unload = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', unload);
    return () => {
      asks = undefined;
      removeEventListener('beforeunload', unload);
    };
  }, [ask]);
}

/** Goes, or asks first. */
export function leave(go: () => void): void {
  if (asks) asks(go);
  else go();
}
