// Agents of one's own: what each has used today, what it was asked and answered, and how it came to that. They are asked here.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Label } from '@ui5/webcomponents-react/Label';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useState } from 'react';
import { api } from '../../api/client.ts';
import { agentRun, agentRuns, agents as agentsQuery } from '../../api/queries.ts';
import type { Agent, AgentRun } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import * as icons from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { Mark } from '../../parts/mark.tsx';
import { Card, Page } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { Time } from '../../parts/time.tsx';
import { Link, useSaid, useSay } from '../../way/way.tsx';
import { number } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';

const TONE = { answered: 'good', unanswered: 'warn', 'under way': 'info' } as const;

export default function Agents() {
  const { t } = useWords();
  const query = useQuery(agentsQuery);
  return (
    <Page title={t('agents.title')} says={t('agents.says')}>
      <Loaded query={query}>
        {(agents) =>
          agents.length === 0 ? (
            <section className="card">
              <Empty icon={icons.agents} title={t('agents.none')} says={t('agents.noneSays')} />
            </section>
          ) : (
            agents.map((agent) => <One key={agent.name} of={agent} />)
          )
        }
      </Loaded>
    </Page>
  );
}

function One({ of: agent }: { of: Agent }) {
  const { t } = useWords();
  const locale = useLocale();
  const { today, hits } = agent;
  const used = [
    t('agents.calls', { used: number(today.calls, locale), of: number(today.calls_a_day, locale) }),
    t('agents.tokens', { used: number(today.tokens, locale), of: number(today.tokens_a_day, locale) }),
    ...(today.money_a_day === undefined
      ? []
      : [t('agents.money', { used: today.money.toFixed(2), of: number(today.money_a_day, locale) })]),
  ];
  return (
    <Card
      title={agent.name}
      says={
        <>
          {agent.model} · {t('agents.today')} {used.join(', ')}
        </>
      }
      actions={<Mark tone={agent.enabled ? 'good' : 'plain'}>{t(agent.enabled ? 'agents.atWork' : 'agents.off')}</Mark>}
    >
      <div className="stack">
        {agent.reviews && (
          <p>
            {hits.answered === 0
              ? t('agents.noHits', { proposed: hits.proposed })
              : t('agents.hits', {
                  proposed: hits.proposed,
                  answered: hits.answered,
                  same: hits.as_proposed,
                  percent: Math.round((100 * hits.as_proposed) / hits.answered),
                })}
          </p>
        )}
        <p className="soft">{t('agents.tools', { tools: agent.tools.join(', ') })}</p>
        {agent.enabled && <Ask agent={agent.name} />}
        <Runs agent={agent.name} />
      </div>
    </Card>
  );
}

function Ask({ agent }: { agent: string }) {
  const { t } = useWords();
  const client = useQueryClient();
  const look = useSay('/agents');
  const [question, setQuestion] = useState('');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>();
  const id = `question-${agent}`;
  const ask = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const run = await api.post<AgentRun>(`/agents/${agent}/questions`, { question });
      setQuestion('');
      look({ agent, run: String(run.id) });
      await client.invalidateQueries({ queryKey: ['agents'] });
    } catch (trouble) {
      setTrouble(trouble);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack tight">
      <div className="field">
        <Label for={id} showColon>
          {t('agents.question')}
        </Label>
        <TextArea
          id={id}
          rows={2}
          value={question}
          placeholder={t('agents.example')}
          onInput={(event) => setQuestion(event.target.value)}
        />
      </div>
      <Problem of={trouble} />
      <div>
        <Button
          design="Emphasized"
          disabled={busy || question.trim() === ''}
          accessibleName={t('agents.askOf', { agent })}
          onClick={() => void ask()}
        >
          {t('agents.ask')}
        </Button>
      </div>
    </div>
  );
}

function Runs({ agent }: { agent: string }) {
  const { t } = useWords();
  const query = useQuery(agentRuns(agent));
  const said = useSaid('/agents');
  const look = useSay('/agents');
  const open = said.agent === agent ? Number(said.run) : undefined;
  return (
    <Loaded query={query}>
      {(runs) =>
        runs.length === 0 ? (
          <p className="soft">{t('agents.noRuns')}</p>
        ) : (
          <ul className="plain stack" aria-label={t('agents.runsOf', { agent })}>
            {runs.map((run) => (
              <li key={run.id} className="stack tight">
                <p>
                  <Mark tone={TONE[run.state]}>
                    {t(`agents.${run.state === 'under way' ? 'underWay' : run.state}`)}
                  </Mark>{' '}
                  <strong>{run.asked}</strong>
                </p>
                <p className="said">{run.answer ?? run.why}</p>
                <p className="soft">
                  {t(`agents.by.${run.started_by}`)} · <Time at={run.at} /> ·{' '}
                  {run.proposal && (
                    <>
                      <Link to="/reviews/$id" params={{ id: String(run.proposal.event) }}>
                        {t('agents.review', { id: run.proposal.event })}
                      </Link>{' '}
                      ·{' '}
                    </>
                  )}
                  <Button
                    design="Transparent"
                    aria-expanded={open === run.id}
                    accessibleName={`${t(open === run.id ? 'agents.hideSteps' : 'agents.steps')}: ${run.id}`}
                    onClick={() => look(open === run.id ? {} : { agent, run: String(run.id) })}
                  >
                    {t(open === run.id ? 'agents.hideSteps' : 'agents.steps')}
                  </Button>
                </p>
                {open === run.id && <Steps agent={agent} id={run.id} />}
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}

/** What its model said, which tools it called, and what came of it. */
function Steps({ agent, id }: { agent: string; id: number }) {
  const { t } = useWords();
  const query = useQuery(agentRun(agent, id));
  return (
    <Loaded query={query}>
      {({ steps }) => (
        <ol className="plain stack" aria-label={t('agents.stepsOf', { id })}>
          {steps.map((step, place) => (
            <li key={place} className="stack tight">
              <p className="soft">
                <span className="code">{step.step}</span> · <Time at={step.at} />
              </p>
              <pre className="json" role="region" tabIndex={0} aria-label={`${step.step} ${place + 1}`}>
                {step.says}
              </pre>
            </li>
          ))}
        </ol>
      )}
    </Loaded>
  );
}
