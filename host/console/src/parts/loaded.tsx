// Shows what a query brought; waits calmly before, and says why where it brought nothing.
import { BusyIndicator } from '@ui5/webcomponents-react/BusyIndicator';
import { useWords } from '../words/words.ts';
import type { ReactNode } from 'react';
import { Problem } from './problem.tsx';

interface Props<T> {
  query: { data: T | undefined; error: unknown };
  children: (data: T) => ReactNode;
}

export function Loaded<T>({ query, children }: Props<T>) {
  if (query.data !== undefined) {
    return (
      <>
        <Problem of={query.error} />
        {children(query.data)}
      </>
    );
  }
  return query.error ? <Problem of={query.error} /> : <Waiting />;
}

export function Waiting() {
  const { t } = useWords();
  return (
    <div className="waiting">
      <BusyIndicator active delay={400} text={t('waiting')} />
    </div>
  );
}
