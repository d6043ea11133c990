// The API in memory, as a plugin of Vite: for `npm run dev:mock`, and for the browser tests.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Connect, Plugin } from 'vite';
import { answer } from './answer.ts';
import type { Asked } from './answers.ts';
import { pass, rewind, run, stand } from './clock.ts';
import { follow } from './live.ts';
import { Sessions } from './sessions.ts';
import { emptyWorld, world } from './data.ts';

export function mock(): Plugin {
  const state = {
    world: process.env.TANDEM_MOCK === 'empty' ? emptyWorld() : world(),
    sessions: new Sessions(),
    jobs: new Map(),
  };
  const handle: Connect.NextHandleFunction = (request, response, next) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    if (url.pathname === '/mock/reset') {
      rewind();
      const made = url.searchParams.has('empty') ? emptyWorld() : world();
      Object.assign(state, { world: made, sessions: new Sessions(), jobs: new Map() });
      response.writeHead(204).end();
      return;
    }
    if (url.pathname === '/mock/clock') {
      if (url.searchParams.has('stands')) stand();
      pass(Number(url.searchParams.get('pass') ?? 0));
      if (url.searchParams.has('runs')) run();
      response.writeHead(204).end();
      return;
    }
    if (!url.pathname.startsWith('/api/v1/')) return next();
    void serve(state, url, request, response);
  };
  return {
    name: 'tandem-mock',
    configureServer: (server) => void server.middlewares.use(handle),
    configurePreviewServer: (server) => void server.middlewares.use(handle),
  };
}

async function serve(
  state: Parameters<typeof answer>[0],
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const sent = await textOf(request);
  const asked: Asked = {
    method: request.method ?? 'GET',
    path: url.pathname.slice('/api/v1'.length),
    query: url.searchParams,
    body: parsed(sent),
    text: sent,
    file: decodeURIComponent(String(request.headers['x-tandem-file'] ?? '')),
    session: state.sessions.find(request.headers.cookie),
    csrf: String(request.headers['x-tandem-csrf'] ?? ''),
    agent: String(request.headers['user-agent'] ?? ''),
  };
  if (asked.path === '/live' && asked.session) return follow(state, request, response, asked.session.account);
  const { status, json, text, headers } = answer(state, asked);
  // As a host on the same machine would: not at once.
  await new Promise((resolve) => setTimeout(resolve, 25));
  response.writeHead(status, {
    'Content-Type': text === undefined ? 'application/json' : 'text/csv; charset=utf-8',
    'Cache-Control': 'no-store',
    ...headers,
  });
  response.end(text ?? (json === undefined ? undefined : JSON.stringify(json)));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
