// Agents of one's own, which answer the same whatever they are asked.
import type * as T from '../src/api/types.ts';
import { missing, note, ok, refuse, type Answer, type Asked, type MockState, type Path } from './answers.ts';
import { now } from './clock.ts';
import { iso } from './data.ts';
import type { Open } from './sessions.ts';

const MINUTE = 60_000;

export type AgentWorld = (T.AgentRun & { steps: T.AgentStep[] })[];

function agentsOf(): T.Agent[] {
  const off = { calls: 0, calls_a_day: 500, tokens: 0, tokens_a_day: 1_000_000, money: 0 };
  return [
    {
      name: 'order-desk',
      enabled: true,
      model: 'qwen3:14b',
      tools: ['orders_orders-of', 'fulfilment_deliveries-of', 'accounts_find-customer'],
      reviews: false,
      today: { calls: 12, calls_a_day: 500, tokens: 48_210, tokens_a_day: 1_000_000, money: 0.41, money_a_day: 5 },
      hits: { proposed: 0, answered: 0, as_proposed: 0 },
    },
    {
      name: 'review-assistant',
      enabled: false,
      model: 'qwen3:14b',
      tools: ['*_find-customer', 'tandem_why'],
      reviews: true,
      today: off,
      hits: { proposed: 41, answered: 36, as_proposed: 31 },
    },
  ];
}

function agentRun(id: number, asked: string, answer: string, ago: number): AgentWorld[number] {
  const at = (seconds: number) => iso(now() - ago * MINUTE + seconds * 1000);
  return {
    id,
    agent: 'order-desk',
    started_by: 'question',
    asked,
    at: at(0),
    state: 'answered',
    answer,
    why: null,
    proposal: null,
    steps: [
      { at: at(0), step: 'agent.begin', asked: null, says: asked, took_ms: null },
      { at: at(2), step: 'agent.model', asked: null, says: 'orders_orders-of {"doc_num":10042}', took_ms: 1850 },
      {
        at: at(3),
        step: 'agent.tool',
        asked: { tool: 'orders_orders-of', input: { doc_num: 10042 } },
        says: '{"data":{"orders":[{"doc_num":10042,"status":"open"}],"more":false}}',
        took_ms: 64,
      },
      { at: at(5), step: 'agent.model', asked: null, says: answer, took_ms: 1430 },
    ],
  };
}

export function agentWorld(): AgentWorld {
  return [
    agentRun(30_002, 'Where is order 10042?', 'Order 10042 of Maxi-Teq is open; nothing of it was delivered yet.', 14),
    agentRun(30_001, 'Has C20000 open invoices?', 'No: all invoices of C20000 are paid.', 95),
  ];
}

function runOf(state: MockState, asked: Asked, _session: Open, name?: string, id?: string): Answer {
  const run = state.world.agents.find((run) => run.agent === name && run.id === Number(id));
  return run ? ok(run) : missing(asked);
}

function askAgent(state: MockState, asked: Asked, session: Open, name?: string): Answer {
  const { question } = asked.body as { question: string };
  const agent = agentsOf().find((agent) => agent.name === name);
  if (!agent?.enabled) return refuse(422, `the agent ${name ?? ''} is off`, 'Set it to work.', 'question');
  const id = Math.max(...state.world.agents.map((run) => run.id)) + 1;
  state.world.agents.unshift(agentRun(id, question, 'It is packed, and leaves today.', 0));
  note(state, session, 'agent.ask', `event ${id}`, 'done');
  return ok(state.world.agents[0]);
}

export const AGENT_PATHS: readonly Path[] = [
  ['GET', /^\/agents$/, 'viewer', () => ok({ agents: agentsOf() })],
  [
    'GET',
    /^\/agents\/([\w-]+)\/runs$/,
    'reviewer',
    ({ world }, _asked, _session, name) => ok({ runs: world.agents.filter((run) => run.agent === name) }),
  ],
  ['GET', /^\/agents\/([\w-]+)\/runs\/(\d+)$/, 'reviewer', runOf],
  ['POST', /^\/agents\/([\w-]+)\/questions$/, 'reviewer', askAgent],
];
