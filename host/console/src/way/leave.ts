// A page that holds work which is kept nowhere else is asked before another one takes its place.
import { useEffect } from 'react';

type Asks = (go: () => void) => void;
let asks: Asks | undefined;
let here = location.href;

/** As long as `ask` is there, going to another page asks it: by a link, or by the browser's Back and Forward. Closing the tab asks, too. */
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

/**
 * The browser tells of Back and Forward when the address is another one already. Where the page asks, its own address is put on
 * top again, so that whoever leaves goes one back from there; the router hears nothing. A window calls its listeners in their
 * order: this one is there before the router's.
 */
addEventListener('popstate', (event) => {
  if (!asks || location.pathname === new URL(here).pathname) {
    here = location.href;
    return;
  }
  event.stopImmediatePropagation();
  history.pushState(null, '', here);
  asks(() => {
    asks = undefined;
    history.back();
  });
});
for (const move of ['pushState', 'replaceState']) {
  addEventListener(move, () => {
    here = location.href;
  });
}
