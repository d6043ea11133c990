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

export function useMay(least: Role): boolean {
  return may(useMe()?.role, least);
}
