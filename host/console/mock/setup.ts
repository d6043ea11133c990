// The set-up assistant: connections that are looked at and kept, plugins, and flows that the host takes up after a while.
// B1 shows a certificate that nobody trusts yet; the right secrets are `mock-password`, `mock-secret`, and any private key.
import type * as T from '../src/api/types.ts';
import { sameSettings } from '../src/pages/setup/settings.ts';
import { gone, missing, note, ok, refuse, type Answer, type Does, type MockState, type Path } from './answers.ts';
import { now } from './clock.ts';
import { digest, FLOWS, iso, type Flow } from './data.ts';
import { lacking } from './flows.ts';
import type { Going } from './load.ts';
import { grants, MAPPINGS, NONE_LIVE, part, RIGHTS, SCHEMAS, type Release } from './releases.ts';

export interface SetupWorld {
  /** `polls`: how often the host is asked before it has taken it up. */
  connections: (Omit<T.SetupConnection, 'live'> & { polls: number })[];
  flows: (T.SetupFlowPut & { flow: string; polls: number })[];
  plugins: T.SetupPlugin[];
  provisioned: boolean;
  loads: Map<string, { rehearsal: Going | null; load: Going | null }>;
}

const FILE = '/etc/tandem/tandem.toml';
const TAKEN_UP_AFTER = 2;
const SECRETS: Record<T.SecretWay, (secret: string) => boolean> = {
  password: (secret) => secret === 'mock-password',
  client_secret: (secret) => secret === 'mock-secret',
  private_key: (secret) => secret.startsWith('-----BEGIN'),
};
const FIRST_LOADS: Record<string, string[]> = {
  accounts: ['b1.BusinessPartners', 'salesforce.Account'],
  catalogue: ['b1.Items'],
  invoices: ['b1.Invoices'],
};
const MADE = ['the user table TANDEM', 'the user field U_SF_Id', 'the user field U_SF_LineId'];

export const CERTIFICATE: T.Certificate = {
  sha256: digest(4242),
  subject: 'CN=b1server, O=Workshop Supplies',
  issuer: 'CN=b1server, O=Workshop Supplies',
  names: ['b1server', 'b1server.workshop.example'],
  from: '2025-03-01T00:00:00.000Z',
  until: '2030-02-28T23:59:59.000Z',
  self_signed: true,
  trusted: false,
};

export function setupOf(flows: Flow[]): SetupWorld {
  const empty = flows.length === 0;
  return {
    connections: empty ? [] : connections(),
    flows: flows.map(({ name, plugin }) => ({
      flow: name,
      plugin,
      connections: { b1: 'b1', salesforce: 'salesforce' },
      settings: {},
      polls: 0,
    })),
    // On an empty host one cannot be used, and one is not there yet.
    plugins: FLOWS.filter(({ name }) => !empty || name !== 'fulfilment').map(({ plugin, title }) =>
      pluginOf(
        plugin,
        title,
        empty && plugin === 'credit' ? 'It is built for tandem:plugin@2.0.0, and this host knows 1.4.0 at most.' : null,
      ),
    ),
    provisioned: !empty,
    loads: new Map(
      empty
        ? []
        : [
            [
              'accounts',
              {
                rehearsal: null,
                load: { began: now() - 86_400_000, from: 0, since: null, ended: null, by: 'admin' },
              },
            ],
          ],
    ),
  };
}

function connections(): SetupWorld['connections'] {
  return [
    {
      name: 'b1',
      settings: {
        kind: 'b1',
        url: 'https://b1server:50000/b1s/v2',
        company: 'SBO_WORKSHOP',
        user: 'tandem',
        time_zone: 'Europe/Berlin',
        pin_sha256: CERTIFICATE.sha256,
        ca_file: null,
      },
      way: 'password',
      kept: 'the file secrets/b1.password',
      polls: 0,
    },
    {
      name: 'salesforce',
      settings: {
        kind: 'salesforce',
        login_url: 'https://workshop.my.salesforce.com',
        client_id: '3MVG9example',
        username: null,
        namespace: '',
        pubsub_url: null,
        pin_sha256: null,
        ca_file: null,
      },
      way: 'client_secret',
      kept: 'the environment variable TANDEM_SALESFORCE_SECRET',
      polls: 0,
    },
  ];
}

function pluginOf(plugin: string, title: string, problem: string | null): T.SetupPlugin {
  return {
    plugin,
    title,
    version: '1.4.0',
    slots: [
      { slot: 'b1', kind: 'b1' },
      { slot: 'salesforce', kind: 'salesforce' },
    ],
    schema: SCHEMAS[plugin] ?? { type: 'object', properties: {} },
    first_load: FIRST_LOADS[plugin] ?? [],
    problem,
  };
}

// --- what there is

function flowSaid({ world }: MockState, of: SetupWorld['flows'][number]): T.SetupFlow {
  const releases = world.releases.get(of.flow);
  const release = releases?.all[0];
  const { flow, plugin, connections, settings, polls } = of;
  const running = releases?.live != null;
  const missing = release ? lacking(release) : 0;
  return {
    flow,
    plugin,
    connections,
    settings,
    live: polls === 0,
    release: (releases?.live ?? release?.release) || null,
    missing: running ? 0 : missing,
    running,
    why: running || !release ? null : missing > 0 ? 'It asks for rights that nobody granted.' : NONE_LIVE,
  };
}

const connectionSaid = ({ polls, ...of }: SetupWorld['connections'][number]): T.SetupConnection => ({
  ...of,
  live: polls === 0,
});

const tell: Does = (state) => {
  const { setup } = state.world;
  const said: T.Setup = {
    file: FILE,
    refused: null,
    time_zone: 'Europe/Berlin',
    connections: setup.connections.map(connectionSaid),
    plugins: setup.plugins,
    flows: setup.flows.map((one) => flowSaid(state, one)),
  };
  for (const one of setup.connections) one.polls = Math.max(0, one.polls - 1);
  for (const one of setup.flows) {
    if (one.polls > 0 && --one.polls === 0) takeUp(state, one);
  }
  return ok(said);
};

/** The host makes the flow's first release, which waits for a person. */
function takeUp({ world }: MockState, of: SetupWorld['flows'][number]): void {
  world.revision += 1;
  if (world.releases.has(of.flow)) return;
  const known = FLOWS.find(({ name }) => name === of.plugin) ?? FLOWS[0];
  if (!known) return;
  const seed = 8000 + world.made++;
  const plugin = part(of.plugin, '1.4.0', seed + 500);
  const rights = RIGHTS[of.plugin] ?? [
    ['b1', 'GET', '/BusinessPartners', 'reads what it tells of'],
    ['salesforce', 'PATCH', '/sobjects/*', 'writes what it tells of'],
  ];
  const text = MAPPINGS[of.plugin] ?? '';
  const release: Release = {
    release: digest(seed),
    made_at: iso(now()),
    origin: 'the files',
    signed_by: null,
    plugin,
    mapper: null,
    mapping: null,
    mapping_text: text,
    settings: of.settings,
    codes: [{ ...plugin, kind: 'plugin', permissions: grants(rights, false) }],
    activations: [],
    taken_back: false,
    problem: null,
  };
  world.releases.set(of.flow, {
    all: [release],
    live: null,
    before: [],
    candidate: { release: release.release, held: 'It asks for rights that nobody granted.' },
  });
  world.flows.push({ ...known, name: of.flow });
}

// --- connections

const address = (of: T.ConnectionSettings) => (of.kind === 'b1' ? of.url : of.login_url);

/** The secret that counts, or the refusal where there is none. */
function secretOf(state: MockState, name: string, put: T.ConnectionPut): { secret: string } | Answer {
  if (put.secret) return { secret: put.secret };
  const known = state.world.setup.connections.find((one) => one.name === name);
  if (!known || known.way !== put.way || address(known.settings) !== address(put.settings)) {
    return refuse(
      422,
      'There is no secret for this address.',
      'Enter it: the one that is kept was given for another address or another way to sign in.',
      'secret',
    );
  }
  return {
    secret: put.way === 'password' ? 'mock-password' : put.way === 'client_secret' ? 'mock-secret' : '-----BEGIN',
  };
}

function wrongIn(of: T.ConnectionSettings): Answer | undefined {
  const field = of.kind === 'b1' ? 'url' : 'login_url';
  if (!/^https:\/\/[^/\s]+/.test(address(of))) {
    return refuse(
      422,
      `${address(of)} is no address that begins with https://.`,
      of.kind === 'b1'
        ? 'Write it like https://server:50000/b1s/v2.'
        : 'Write it like https://yours.my.salesforce.com.',
      field,
    );
  }
  return undefined;
}

const look: Does = (state, asked) => {
  const put = asked.body as T.ConnectionPut & { name: string };
  const wrong = wrongIn(put.settings);
  if (wrong) return wrong;
  const found = secretOf(state, put.name, put);
  if ('status' in found) return found;
  const right = SECRETS[put.way](found.secret);
  return ok(put.settings.kind === 'b1' ? lookAtB1(state, put.settings, right) : lookAtOrg(put.name, right));
};

function lookAtB1({ world }: MockState, of: T.B1Settings, right: boolean): T.Look {
  const trusted = of.pin_sha256 === CERTIFICATE.sha256;
  const certificate = { ...CERTIFICATE, trusted };
  if (!trusted) {
    return {
      certificate,
      findings: [
        { what: 'address', state: 'good', says: `${of.url} answers`, mend: '' },
        {
          what: 'certificate',
          state: 'wrong',
          says: 'the certificate is signed by itself, and nothing says that it is the server’s',
          mend: 'compare its fingerprint with the one on the server, then trust it; or name the file of its CA',
        },
      ],
    };
  }
  const findings: T.LookFinding[] = [
    { what: 'address', state: 'good', says: `${of.url} answers`, mend: '' },
    { what: 'certificate', state: 'good', says: 'trusted by its fingerprint, until 28 February 2030', mend: '' },
  ];
  if (!right) {
    findings.push({
      what: 'sign-in',
      state: 'wrong',
      says: `B1 refuses ${of.user} in ${of.company}: -304 Fail to get DB Credentials from SLD`,
      mend: 'check company, user and password; each try counts towards B1’s lock-out',
    });
    return { certificate, findings };
  }
  findings.push({ what: 'sign-in', state: 'good', says: 'logged in to B1', mend: '' });
  for (const what of MADE) {
    findings.push(
      world.setup.provisioned
        ? { what, state: 'good', says: 'there', mend: '' }
        : {
            what,
            state: 'wrong',
            says: 'missing',
            mend: 'save the connection, then make it while nobody works in the company',
          },
    );
  }
  return { certificate, findings };
}

function lookAtOrg(name: string, right: boolean): T.Look {
  if (!right) {
    return {
      certificate: null,
      findings: [
        {
          what: 'sign-in',
          state: 'wrong',
          says: 'Salesforce refuses: invalid_client, invalid client credentials',
          mend: 'check My Domain, consumer key and secret of the External Client App',
        },
      ],
    };
  }
  return {
    certificate: null,
    findings: [
      { what: 'sign-in', state: 'good', says: `signed in to ${name}; 1,204 of 15,000 API calls used today`, mend: '' },
      {
        what: 'the Tandem package',
        state: 'soon',
        says: 'version 0.8.0 is installed, and this host comes with 0.9.0',
        mend: 'install this version’s package: scripts/package.sh deploy',
      },
      {
        what: 'rights',
        state: 'good',
        says: 'Tandem Integration and Tandem Integration: standard objects give all',
        mend: '',
      },
      { what: 'sharing', state: 'good', says: 'opportunities and accounts are Public Read/Write', mend: '' },
      { what: 'events of Tandem_Change__e', state: 'good', says: 'can be subscribed to', mend: '' },
    ],
  };
}

const putConnection: Does = (state, asked, session, name = '') => {
  const put = asked.body as T.ConnectionPut;
  if (!/^[a-z0-9-]{1,20}$/.test(name)) {
    return refuse(
      422,
      `${name} is no name of a connection.`,
      'Take 1 to 20 lower case letters, digits, dashes.',
      'name',
    );
  }
  const wrong = wrongIn(put.settings);
  if (wrong) return wrong;
  const { setup } = state.world;
  const known = setup.connections.find((one) => one.name === name);
  if (put.new && known) {
    return refuse(
      409,
      `Somebody made a connection ${name} meanwhile.`,
      'Take another name, or open that one: what you typed would replace it.',
    );
  }
  if (put.instead_of && !(known && sameSettings(known.settings, put.instead_of))) {
    return refuse(409, `Somebody changed ${name} meanwhile.`, 'Open it anew: what you typed would undo that.');
  }
  const found = secretOf(state, name, put);
  if ('status' in found) return found;
  const kept = put.secret || !known ? `the file secrets/${name}.${put.way.replace('client_', '')}` : known.kept;
  const of = { name, settings: put.settings, way: put.way, kept, polls: TAKEN_UP_AFTER };
  if (known) Object.assign(known, of);
  else setup.connections.push(of);
  note(state, session, known ? 'change connection' : 'make connection', name, 'done');
  return ok(connectionSaid(known ?? of));
};

const provision: Does = (state, _, session, name = '') => {
  const { setup } = state.world;
  const known = setup.connections.find((one) => one.name === name);
  if (!known || known.polls > 0)
    return refuse(409, `The host does not have ${name} yet.`, 'Wait a moment, then try again.');
  const made = MADE.map((what) => ({ what, present: setup.provisioned }));
  setup.provisioned = true;
  note(state, session, 'make user fields', name, 'done');
  return ok({ made } satisfies T.Provisioned);
};

// --- plugins and flows

const addPlugin: Does = (state, asked, session) => {
  const { setup } = state.world;
  if (!asked.text.startsWith('\0asm')) {
    return refuse(422, `${asked.file} is no WebAssembly component.`, 'Take the .wasm file of a plugin.', 'plugin');
  }
  const plugin = asked.file.replace(/\.wasm$/, '');
  if (setup.plugins.some((one) => one.plugin === plugin)) {
    return refuse(
      409,
      `Another ${asked.file} lies in the plugins folder.`,
      'Change it on the page of its flow.',
      'plugin',
    );
  }
  const made = pluginOf(plugin, FLOWS.find(({ name }) => name === plugin)?.title ?? plugin, null);
  setup.plugins.push(made);
  note(state, session, 'add plugin', plugin, 'done');
  return ok(made);
};

const putFlow: Does = (state, asked, session, flow = '') => {
  const { setup } = state.world;
  const put = asked.body as T.SetupFlowPut;
  if (!/^[a-z0-9-]{1,20}$/.test(flow)) {
    return refuse(422, `${flow} is no name of a flow.`, 'Take 1 to 20 lower case letters, digits, dashes.', 'flow');
  }
  const plugin = setup.plugins.find((one) => one.plugin === put.plugin);
  for (const { slot, kind } of plugin?.slots ?? []) {
    const of = setup.connections.find((one) => one.name === put.connections[slot]);
    if (of?.settings.kind !== kind)
      return refuse(422, `${slot} has no connection.`, 'Choose one for it.', 'connections');
  }
  const poll = put.settings.approval_poll_minutes;
  if (poll !== undefined && (typeof poll !== 'number' || poll < 1)) {
    return refuse(
      422,
      `approval_poll_minutes is ${String(poll)}, and must be 1 or more.`,
      'Set it to 1 or more.',
      'settings',
    );
  }
  const known = setup.flows.find((one) => one.flow === flow);
  const of = { flow, ...put, polls: TAKEN_UP_AFTER };
  if (known) Object.assign(known, of);
  else setup.flows.push(of);
  note(state, session, 'set up flow', flow, 'done');
  return ok(flowSaid(state, known ?? of));
};

const removeConnection: Does = (state, asked, session, name = '') => {
  const { setup } = state.world;
  const users = setup.flows.filter((flow) => Object.values(flow.connections).includes(name)).map(({ flow }) => flow);
  if (!setup.connections.some((one) => one.name === name)) return missing(asked);
  if (users.length > 0) {
    return refuse(
      409,
      `It is used by ${users.join(', ')}.`,
      'Take these flows out first, or give them another connection.',
    );
  }
  setup.connections = setup.connections.filter((one) => one.name !== name);
  note(state, session, 'setup.connection.remove', name, 'done');
  return gone;
};

const removeFlow: Does = (state, asked, session, flow = '') => {
  const { setup } = state.world;
  if (!setup.flows.some((one) => one.flow === flow)) return missing(asked);
  if (setup.flows.length === 1) {
    return refuse(
      409,
      'It is the only flow, and a host that runs keeps one.',
      'Set up another one first; or stop the host, and take the section out by hand.',
    );
  }
  setup.flows = setup.flows.filter((one) => one.flow !== flow);
  note(state, session, 'setup.flow.remove', flow, 'done');
  return gone;
};

export const SETUP_PATHS: readonly Path[] = [
  ['GET', /^\/setup$/, 'admin', tell],
  ['POST', /^\/setup\/look$/, 'admin', look],
  ['PUT', /^\/setup\/connections\/([^/]+)$/, 'admin', putConnection],
  ['DELETE', /^\/setup\/connections\/([^/]+)$/, 'admin', removeConnection],
  ['POST', /^\/setup\/connections\/([^/]+)\/provision$/, 'admin', provision],
  ['POST', /^\/setup\/plugins$/, 'admin', addPlugin],
  ['PUT', /^\/setup\/flows\/([^/]+)$/, 'admin', putFlow],
  ['DELETE', /^\/setup\/flows\/([^/]+)$/, 'admin', removeFlow],
];
