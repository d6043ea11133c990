import type { LookFinding } from '../../api/types.ts';

const ORDER: readonly LookFinding['state'][] = ['wrong', 'soon', 'good'];

/** What is wrong first, then what soon will be, then what is good; each as the host found it. */
export function ordered(findings: readonly LookFinding[]): LookFinding[] {
  return ORDER.flatMap((state) => findings.filter((one) => one.state === state));
}
