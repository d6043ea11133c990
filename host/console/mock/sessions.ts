// Who is signed in.
import type * as T from '../src/api/types.ts';
import { now } from './clock.ts';

export interface Open {
  id: string;
  csrf: string;
  account: T.Account;
  since: string;
  agent: string;
}

export class Sessions {
  readonly open = new Map<string, Open>();
  wrong = 0;
  #made = 0;

  find(cookie: string | undefined): Open | undefined {
    return this.open.get(/tandem_session=([^;]+)/.exec(cookie ?? '')?.[1] ?? '');
  }

  make(account: T.Account, agent: string): Open {
    const id = `s${++this.#made}-${account.name}`;
    const session = { id, csrf: `csrf-${id}`, account, since: new Date(now()).toISOString(), agent };
    this.open.set(id, session);
    return session;
  }

  me(session: Open): T.Me {
    const { name, role, flows } = session.account;
    const expires_at = new Date(now() + 12 * 3_600_000).toISOString();
    return { name, role, flows, csrf: session.csrf, expires_at, has_password: session.account.from === 'local' };
  }
}
