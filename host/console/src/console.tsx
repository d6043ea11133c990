// The whole console: who is signed in sees the shell and the page that the address names.
import { Component, Suspense, type ReactNode } from 'react';
import { Route, Switch } from 'wouter';
import { Waiting } from './parts/loaded.tsx';
import { NotFound, Trouble } from './parts/no-page.tsx';
import { Gate } from './shell/gate.tsx';
import { PAGES } from './way/pages.ts';
import { usePath } from './way/way.tsx';

export function Console() {
  const path = usePath();
  return (
    <Gate>
      <Caught key={path}>
        <Suspense fallback={<Waiting />}>
          <Switch>
            {PAGES.map(({ path, page: Page }) => (
              <Route key={path} path={path.replaceAll('$', ':')}>
                <Page />
              </Route>
            ))}
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Suspense>
      </Caught>
    </Gate>
  );
}

/** A page that breaks says so in its own place; the way to the others stays. */
class Caught extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override render() {
    return this.state.error === undefined ? this.props.children : <Trouble error={this.state.error} />;
  }
}
