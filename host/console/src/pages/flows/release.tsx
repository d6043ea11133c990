// One release: how it differs from the live one, what it asks for, what would become of the past under it; and what makes it live.
import { useQuery } from '@tanstack/react-query';
import { Link, useId, useRelease } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { flows as flowsQuery, release as releaseQuery } from '../../api/queries.ts';
import type { FlowInfo, ReleaseDetail } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Compare } from '../../parts/comparison.tsx';
import { Facts } from '../../parts/facts.tsx';
import { Json } from '../../parts/json.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { useMay } from '../../parts/me.ts';
import { Opens } from '../../parts/opens.tsx';
import { Card, Page } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { useWords } from '../../words/words.ts';
import { DoneStrip, useActivate, useGrant, useRollBack } from './acts.tsx';
import { DiffersView } from './differs-view.tsx';
import { Rights } from './rights.tsx';
import { short, StandingMark } from './standing.tsx';

export default function Release() {
  const { t } = useWords();
  const id = useId();
  const digest = useRelease();
  const query = useQuery(releaseQuery(id, digest));
  const flow = useQuery(flowsQuery).data?.find((one) => one.flow === id);
  if (query.data) return <Told flow={id} info={flow} of={query.data} />;
  return (
    <Page title={t('release.title', { flow: id, release: short(digest) })}>
      <Loaded query={query}>{() => null}</Loaded>
    </Page>
  );
}

function Told({ flow, info, of: release }: { flow: string; info: FlowInfo | undefined; of: ReleaseDetail }) {
  const { t } = useWords();
  const mayAct = useMay('operator');
  const mayGrant = useMay('admin');
  const { ask, dialog } = useAct();
  const { activate, done } = useActivate(ask);
  const { rollBack, done: wentBack } = useRollBack(ask);
  const grant = useGrant(ask);
  const isLive = release.standing === 'live';
  const live = info?.live ?? null;
  return (
    <Page
      title={t('release.title', { flow, release: short(release.release) })}
      mark={<StandingMark of={release.standing} />}
      says={release.origin}
      actions={
        <>
          <Link to="/flows/$id" params={{ id: flow }} className="way">
            {t('release.all')}
          </Link>
          {mayAct && !isLive && release.problem === null && (
            <Link to="/mapping/$id" params={{ id: flow }} search={{ release: release.release }} className="way">
              {t('release.editMapping')}
            </Link>
          )}
          {mayGrant && release.missing > 0 && (
            <Button design="Attention" onClick={() => grant(flow, release)}>
              {t('release.grantShort', { count: release.missing })}
            </Button>
          )}
          {mayAct && !isLive && release.problem === null && (
            <Button
              design="Emphasized"
              disabled={release.missing > 0 || !info}
              onClick={() => activate(flow, release.release, live)}
            >
              {t('release.activate')}
            </Button>
          )}
          {mayAct && isLive && info?.back && (
            <Button onClick={() => rollBack(flow, release.release, info.back ?? '')}>{t('release.back')}</Button>
          )}
        </>
      }
    >
      <DoneStrip of={wentBack ?? done} />
      {release.problem !== null && (
        <MessageStrip design="Negative" hideCloseButton>
          {release.problem}
        </MessageStrip>
      )}
      {release.missing > 0 && (
        <MessageStrip design="Critical" hideCloseButton>
          {t('release.missing', { count: release.missing })} {!mayGrant && t('release.missingAdmin')}
        </MessageStrip>
      )}
      {release.notes.length > 0 && (
        <MessageStrip design="Information" hideCloseButton>
          {release.notes.map((note) => `[${note.section}] ${note.why}`).join(' ')}
        </MessageStrip>
      )}
      {release.differs && (
        <Card title={t('differs.title')} says={t('differs.says', { live: short(release.differs.before) })}>
          <DiffersView of={release.differs} />
        </Card>
      )}
      {!isLive && release.problem === null && mayAct && (
        <Card title={t('compare.title')} says={t('compare.says')}>
          <Compare flow={flow} release={release.release} />
        </Card>
      )}
      <Card title={t('flows.rights')} says={t('rights.says')} flush>
        <Rights of={release.codes} />
      </Card>
      <Card title={t('release.facts')}>
        <div className="stack">
          <Facts
            of={[
              [t('release.plugin'), `${release.plugin.name} ${release.plugin.version}`],
              [t('release.mapper'), release.mapper && `${release.mapper.name} ${release.mapper.version}`],
              [t('release.made'), <Time key="made" at={release.made_at} />],
              [t('release.signed'), release.signed_by],
              [t('release.held'), release.held],
              [
                t('release.digest'),
                <span key="digest" className="code">
                  {release.release}
                </span>,
              ],
            ]}
          />
          {release.activations.length > 0 && (
            <div>
              <p className="soft">{t('release.activations')}</p>
              <ul className="sentences">
                {release.activations.map((one) => (
                  <li key={one.at}>
                    <Time at={one.at} /> {t('release.by', { who: one.who })}
                    {one.why && `: ${one.why}`}
                  </li>
                ))}
              </ul>
            </div>
          )}
          <Opens label={t('release.mappingText')}>
            <Json of={release.mapping_text} label={t('release.mappingText')} />
          </Opens>
          <Opens label={t('release.settingsText')}>
            <Json of={release.settings} label={t('release.settingsText')} />
          </Opens>
        </div>
      </Card>
      {dialog}
    </Page>
  );
}
