// The stream of events: the overview once a second where something changed, and the revision of the reviews.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as T from '../src/api/types.ts';
import type { MockState } from './answers.ts';
import { overview } from './overview.ts';

export function follow(state: MockState, request: IncomingMessage, response: ServerResponse, account: T.Account): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write(': hello\n\n');
  let told = '';
  let revision = 0;
  const tell = () => {
    const now = JSON.stringify(overview(state.world, account));
    if (now !== told) response.write(`event: overview\ndata: ${now}\n\n`);
    if (state.world.revision !== revision) {
      response.write(`event: reviews\ndata: ${JSON.stringify({ revision: state.world.revision })}\n\n`);
    }
    told = now;
    revision = state.world.revision;
  };
  tell();
  const timer = setInterval(tell, 1000);
  const comment = setInterval(() => response.write(': still here\n\n'), 15_000);
  request.on('close', () => {
    clearInterval(timer);
    clearInterval(comment);
  });
}
