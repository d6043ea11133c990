import { afterEach, expect, test, vi } from 'vitest';
import { api, carry, query, Refused, whenSignedOut } from '../../src/api/client.ts';

afterEach(() => vi.unstubAllGlobals());

function host(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const asked = vi.fn(
    async (_path: string, _of: RequestInit) => new Response(status === 204 ? null : text, { status, headers }),
  );
  vi.stubGlobal('fetch', asked);
  return asked;
}

async function refusal(of: Promise<unknown>): Promise<Refused> {
  try {
    await of;
  } catch (why) {
    if (why instanceof Refused) return why;
  }
  throw new Error('it was not refused');
}

test('a write carries the token of the session, a read does not', async () => {
  carry('token-of-the-session');
  const asked = host(200, {});
  await api.get('/overview');
  await api.post('/events/act', { act: 'retry' });
  const [read, write] = asked.mock.calls.map(([, of]) => of.headers as Record<string, string>);
  expect(read).not.toHaveProperty('X-Tandem-CSRF');
  expect(write).toMatchObject({ 'X-Tandem-CSRF': 'token-of-the-session', 'Content-Type': 'application/json' });
});

test('a refusal says what was wrong and what mends it', async () => {
  host(422, { error: 'The password is too short.', mend: 'Take 12 letters at least.', field: 'new' });
  const refused = await refusal(api.post('/session/password', {}));
  expect(refused.status).toBe(422);
  expect(refused.problem).toEqual({
    error: 'The password is too short.',
    mend: 'Take 12 letters at least.',
    field: 'new',
  });
});

test('a pause that the host asks for is kept', async () => {
  host(429, { error: 'Too many tries.' }, { 'Retry-After': '30' });
  expect((await refusal(api.post('/session'))).retryAfter).toBe(30);
});

test("a proxy's web page is not taken for the host's answer, whatever its status", async () => {
  for (const status of [200, 502]) {
    host(status, '<html>Bad gateway</html>');
    expect((await refusal(api.get('/overview'))).problem.error).toContain(`(${status}) is none of the host's`);
  }
});

test('a host that cannot be reached is status 0, with what to look for', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  const refused = await refusal(api.get('/overview'));
  expect(refused.status).toBe(0);
  expect(refused.problem.mend).toContain('tandem run');
});

test('an answer without a body is none', async () => {
  host(204, '');
  expect(await api.remove('/session')).toBeUndefined();
});

test('a query leaves out what is absent or empty', () => {
  expect(query({ q: 'Größe & Maß', flow: '', before: undefined, limit: 50 })).toBe(
    '?q=Gr%C3%B6%C3%9Fe+%26+Ma%C3%9F&limit=50',
  );
  expect(query({})).toBe('');
});

test('a session that ended is told, whatever was asked, and a wrong password is not one', async () => {
  const told = vi.fn();
  whenSignedOut(told);
  host(401, { error: 'You are not signed in.' });
  await refusal(api.post('/session'));
  expect(told).not.toHaveBeenCalled();
  await refusal(api.post('/events/act'));
  expect(told).toHaveBeenCalledTimes(1);
});
