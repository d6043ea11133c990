// Nobody passes who is not signed in: the sign-in page stands at the very address that was asked for.
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, type ReactNode } from 'react';
import { Refused } from '../api/client.ts';
import { session } from '../api/queries.ts';
import { Waiting } from '../parts/loaded.tsx';
import { Problem } from '../parts/problem.tsx';
import { Shell } from './shell.tsx';

const SignIn = lazy(() => import('../pages/sign-in/sign-in.tsx'));

export function Gate({ children }: { children: ReactNode }) {
  const query = useQuery(session);
  if (query.error instanceof Refused && query.error.status === 401) {
    return (
      <Suspense fallback={<Waiting />}>
        <SignIn />
      </Suspense>
    );
  }
  if (query.data) return <Shell me={query.data}>{children}</Shell>;
  return query.error ? (
    <main className="alone">
      <Problem of={query.error} />
    </main>
  ) : (
    <Waiting />
  );
}
