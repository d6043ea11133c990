// Starts the console: look and words first, so that nothing flickers, then the page that the address names.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Refused, whenSignedOut } from './api/client.ts';
import { session } from './api/queries.ts';
import { Console } from './console.tsx';
import { start as startLook } from './look/look.ts';
import { fetchPageAt } from './way/pages.ts';
import { start as startWords } from './words/words.ts';
import './look/fonts.css';
import './look/console.css';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // An answer is an answer; only a host that cannot be reached is asked again.
      retry: (times, why) => times < 2 && why instanceof Refused && (why.status === 0 || why.status >= 502),
    },
  },
});
// The session ended: the sign-in page takes the place of whatever is shown, at the same address.
whenSignedOut(() => void client.resetQueries({ queryKey: session.queryKey }));

// What is needed in any case is asked for at once, and not one after the other.
fetchPageAt(location.pathname);
void client.prefetchQuery(session);
await Promise.all([startLook(), startWords()]);
const root = document.getElementById('console');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Console />
      </QueryClientProvider>
    </StrictMode>,
  );
}
