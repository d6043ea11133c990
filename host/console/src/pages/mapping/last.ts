import { useState } from 'react';

/** What was answered last: it stays where the next answer is refused, as while a rule is half typed. */
export function useLast<T>(answer: T | undefined): T | undefined {
  const [last, setLast] = useState(answer);
  if (answer !== undefined && answer !== last) setLast(answer);
  return answer ?? last;
}
