// What a connection's form holds before anything is saved, and what of it counts as a change.
import type { ConnectionSettings, SecretWay, SetupConnection, Side } from '../../api/types.ts';

/** What a new connection is called first: as `tandem init` calls it. */
export const FIRST_NAME: Record<Side, string> = { b1: 'erp', salesforce: 'crm' };
export const FIRST_WAY: Record<Side, SecretWay> = { b1: 'password', salesforce: 'client_secret' };

export function blank(kind: Side, time_zone: string): ConnectionSettings {
  return kind === 'b1'
    ? { kind, url: '', company: '', user: '', time_zone, pin_sha256: null, ca_file: null }
    : {
        kind,
        login_url: '',
        client_id: '',
        username: null,
        namespace: '',
        pubsub_url: null,
        pin_sha256: null,
        ca_file: null,
      };
}

export function addressOf(of: ConnectionSettings): string {
  return of.kind === 'b1' ? of.url : of.login_url;
}

export function sameSettings(one: ConnectionSettings, other: ConnectionSettings): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof ConnectionSettings>;
  return [...names].every((name) => one[name] === other[name]);
}

/** What was pasted often has a space at its end. */
export function trimmed<S extends ConnectionSettings>(settings: S): S {
  const each = Object.entries(settings).map(([name, value]: [string, string | null]) => [name, value?.trim() ?? null]);
  return Object.fromEntries(each) as S;
}

/** Whether the secret must be given: none is kept, or the one that is kept was for another address or another way. */
export function needsSecret(of: SetupConnection | undefined, settings: ConnectionSettings, way: SecretWay): boolean {
  return of === undefined || of.way !== way || addressOf(of.settings) !== addressOf(settings);
}

/** Whether each field that must be filled is. */
export function filled(settings: ConnectionSettings, way: SecretWay): boolean {
  const needed =
    settings.kind === 'b1'
      ? [settings.url, settings.company, settings.user]
      : [settings.login_url, settings.client_id, way === 'private_key' ? (settings.username ?? '') : '-'];
  return needed.every((one) => one.trim() !== '');
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name !== '';
  } catch {
    return false;
  }
}
