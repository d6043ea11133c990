// Which comparison of a report is looked at, and what its numbers come to.
import type { Reconciled, ReconciledFlow, Report, Sum } from '../../api/types.ts';

export interface Chosen {
  flow: ReconciledFlow;
  of: Reconciled;
}

/** All its differences. */
export function all(of: Reconciled): number {
  return of.differing + of.missing_in_b1 + of.missing_in_salesforce + of.double;
}

/** The one that the address names; without one the first that nobody can explain, that differs, or that was compared. */
export function chosen(report: Report, flow: string | undefined, of: string | undefined): Chosen | undefined {
  const each = report.flows.flatMap((flow) => flow.comparisons.map((of) => ({ flow, of })));
  return (
    each.find((one) => one.flow.flow === flow && one.of.name === of) ??
    each.find((one) => one.of.unexplained > 0) ??
    each.find((one) => all(one.of) > 0) ??
    each.find((one) => one.of.not_whole === undefined) ??
    each[0]
  );
}

/** Those that are not the same on both sides for records that differ: another month or a rounded cent is no difference of a record. */
export function differing(sums: readonly Sum[]): Sum[] {
  return sums.filter((sum) => !isZero(sum.differences));
}

/** Those that are the same on both sides. */
export function same(sums: readonly Sum[]): Sum[] {
  return sums.filter((sum) => isZero(sum.difference));
}

/** `0`, `0.00`, `-0.0`: by its digits, since amounts are text. */
export function isZero(amount: string): boolean {
  return !/[1-9]/.test(amount);
}
