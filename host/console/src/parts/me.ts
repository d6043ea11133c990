// Who is signed in, and what that role may.
import { useQuery } from '@tanstack/react-query';
import { session } from '../api/queries.ts';
import { ROLES, type Me, type Role } from '../api/types.ts';

export function useMe(): Me | undefined {
  return useQuery(session).data;
}

/** Whether `role` may what `least` may. */
export function may(role: Role | undefined, least: Role): boolean {
  return role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(least);
}

/** Whether this person may set the host up, which concerns all flows. */
export function maySetUp(me: Me | undefined): boolean {
  return may(me?.role, 'admin') && me?.flows === null;
}

export function useMay(least: Role): boolean {
  return may(useMe()?.role, least);
}
