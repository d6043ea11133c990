// The one place that speaks with the host: adds the CSRF header to writes and turns refusals into `Refused`.
import type { Problem } from './types.ts';

const BASE = '/api/v1';
const READS: readonly string[] = ['GET', 'HEAD'];

/** An answer that is not 2xx, or none at all (status 0). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
    /** Seconds, where the host asks for a pause. */
    readonly retryAfter?: number,
  ) {
    super(problem.error);
  }
}

let csrf = '';
/** Said by the session; each write carries it. */
export function carry(token: string): void {
  csrf = token;
}

let signedOut = () => {};
/** Called when the host says that the session has ended, whatever was asked. */
export function whenSignedOut(tell: () => void): void {
  signedOut = tell;
}

type Query = Record<string, string | number | undefined>;

/** A query string with its question mark, without what is absent or empty. */
export function query(of: Query): string {
  const said = Object.entries(of).filter(([, value]) => value !== undefined && value !== '');
  return said.length === 0 ? '' : `?${new URLSearchParams(said.map(([name, value]) => [name, String(value)]))}`;
}

async function send<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return ask<T>(method, path, body === undefined ? undefined : JSON.stringify(body), signal);
}

interface Kind {
  'Content-Type': string;
  [more: string]: string;
}
const JSON_KIND: Kind = { 'Content-Type': 'application/json' };

async function ask<T>(
  method: string,
  path: string,
  body?: BodyInit,
  signal?: AbortSignal,
  kind: Kind = JSON_KIND,
): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', ...(body !== undefined && kind) };
  if (!READS.includes(method)) headers['X-Tandem-CSRF'] = csrf;
  let answer: Response;
  try {
    answer = await fetch(BASE + path, {
      method,
      headers,
      credentials: 'same-origin',
      body,
      signal,
    });
  } catch (why) {
    if (signal?.aborted) throw why;
    throw new Refused(0, {
      error: 'The host does not answer.',
      mend: 'See whether `tandem run` is up and whether this machine reaches it; the page tries again by itself.',
    });
  }
  if (answer.status === 204) return undefined as T;
  const said = await json(answer);
  if (answer.ok && said !== undefined) return said as T;
  if (answer.status === 401 && path !== '/session') signedOut();
  const pause = Number(answer.headers.get('Retry-After'));
  throw new Refused(answer.status, problem(answer.status, said), pause > 0 ? pause : undefined);
}

async function json(answer: Response): Promise<unknown> {
  try {
    return await answer.json();
  } catch {
    return undefined;
  }
}

/** What stands between may answer in its own way (a proxy's web page): then it is said that it was not the host. */
function problem(status: number, said: unknown): Problem {
  if (typeof said === 'object' && said !== null && 'error' in said && typeof said.error === 'string') {
    return said as Problem;
  }
  return {
    error: `The answer (${status}) is none of the host's.`,
    mend: 'Something between this browser and the host answered, such as a proxy: see what it says of the address.',
  };
}

export const api = {
  get: <T>(path: string, of: Query = {}, signal?: AbortSignal) => send<T>('GET', path + query(of), undefined, signal),
  post: <T>(path: string, body: unknown = {}) => send<T>('POST', path, body),
  put: <T>(path: string, body: unknown) => send<T>('PUT', path, body),
  patch: <T>(path: string, body: unknown) => send<T>('PATCH', path, body),
  remove: <T>(path: string) => send<T>('DELETE', path),
  /** Sends a file as it is; its name goes beside it. */
  upload: <T>(path: string, file: File, type: string) =>
    ask<T>('POST', path, file, undefined, { 'Content-Type': type, 'X-Tandem-File': encodeURIComponent(file.name) }),
};
