// One flow's mapping: the map, code tables, the text itself, and the check; from a change to a live release.
import { useQuery } from '@tanstack/react-query';
import { Bar } from '@ui5/webcomponents-react/Bar';
import { Button } from '@ui5/webcomponents-react/Button';
import { Dialog } from '@ui5/webcomponents-react/Dialog';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useCallback, useEffect, useState } from 'react';
import { flows as flowsQuery, mapping as mappingQuery } from '../../api/queries.ts';
import type { Finding, MappingDoc } from '../../api/types.ts';
import { redo as redoIcon, undo as undoIcon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Mark } from '../../parts/mark.tsx';
import { useMay, useMe } from '../../parts/me.ts';
import { Page } from '../../parts/page.tsx';
import { Problem } from '../../parts/problem.tsx';
import { useLeaving } from '../../way/leave.ts';
import { Link, useId, useSaid, useSay } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';
import { Check } from './check.tsx';
import { useEditing } from './editing.ts';
import { joins } from './fields.ts';
import { Map } from './map.tsx';
import { Publish } from './publish.tsx';
import { Tables } from './tables.tsx';
import { Text } from './text.tsx';

const TABS = ['map', 'tables', 'text', 'check'] as const;

export default function Mapping() {
  const { t } = useWords();
  const flow = useId();
  const { release } = useSaid('/mapping/$id');
  const query = useQuery(mappingQuery(flow, release));
  const live = useQuery(flowsQuery).data?.find((one) => one.flow === flow)?.live;
  if (query.data && live !== undefined) {
    return <Edited key={`${flow} ${release ?? ''}`} flow={flow} base={query.data} first={live} />;
  }
  return (
    <Page title={t('mapping.of', { flow })}>
      <Loaded query={query}>{() => null}</Loaded>
    </Page>
  );
}

/** `first`: the live release when the work began; publishing takes the place of no other. */
function Edited({ flow, base, first }: { flow: string; base: MappingDoc; first: string | null }) {
  const { t } = useWords();
  const search = useSaid('/mapping/$id');
  const look = useSay('/mapping/$id');
  const me = useMe();
  const may = useMay('operator');
  const [live, setLive] = useState(first);
  const editing = useEditing(flow, base, may, `tandem.mapping.${me?.name ?? ''}.${flow}.${search.release ?? ''}`);
  const { doc } = editing;
  const section = doc.sections.find((one) => one.name === search.section) ?? doc.sections[0];
  const [chosen, choose] = useState<string>();
  const [line, setLine] = useState<number>();
  const [publishing, setPublishing] = useState(false);
  const [leaving, setLeaving] = useState<() => void>();
  const ask = useCallback((go: () => void) => setLeaving(() => go), []);
  useLeaving(editing.changed && may ? ask : undefined);
  const tabs = may ? TABS : TABS.filter((one) => one !== 'check');
  const tab = tabs.find((one) => one === search.tab) ?? 'map';
  const show = (next: typeof search) => look({ ...search, ...next });

  const { undo, redo } = editing;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // A field and the code editor take back their own letters first.
      const inField = event
        .composedPath()
        .some((one) => one instanceof HTMLElement && (one.isContentEditable || /^(INPUT|TEXTAREA)$/.test(one.tagName)));
      if (inField || !(event.ctrlKey || event.metaKey)) return;
      const key = event.key.toLowerCase();
      const does =
        key === 'z' && !event.shiftKey ? undo : key === 'y' || (key === 'z' && event.shiftKey) ? redo : undefined;
      if (!does) return;
      event.preventDefault();
      does();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [undo, redo]);

  const showFinding = (finding: Finding) => {
    const of = doc.sections.find((one) => one.name === finding.section);
    const rule = of?.rules.find((one) => one.field === finding.field);
    if (of && rule) {
      choose(joins(rule).right);
      show({ tab: '', section: of.name });
      return;
    }
    setLine(finding.line ?? undefined);
    show({ tab: 'text' });
  };

  return (
    <Page
      title={t('mapping.of', { flow })}
      mark={editing.changed && <Mark tone="warn">{t('mapping.changed')}</Mark>}
      says={
        <>
          {t('mapping.says')}{' '}
          <Link to="/flows/$id" params={{ id: flow }}>
            {t('release.all')}
          </Link>
        </>
      }
      actions={
        may ? (
          <>
            <Button
              icon={undoIcon}
              design="Transparent"
              tooltip={t('mapping.undo')}
              accessibleName={t('mapping.undo')}
              disabled={!undo}
              onClick={() => undo?.()}
            />
            <Button
              icon={redoIcon}
              design="Transparent"
              tooltip={t('mapping.redo')}
              accessibleName={t('mapping.redo')}
              disabled={!redo}
              onClick={() => redo?.()}
            />
            <Button
              design="Emphasized"
              disabled={!editing.changed || doc.problem !== null}
              onClick={() => setPublishing(true)}
            >
              {t('publish.title')}
            </Button>
          </>
        ) : undefined
      }
    >
      {!may && (
        <MessageStrip design="Information" hideCloseButton>
          {t('mapping.notYours')}
        </MessageStrip>
      )}
      {editing.overtaken && (
        <MessageStrip design="Critical" hideCloseButton>
          {t('mapping.overtaken')}
        </MessageStrip>
      )}
      <Problem of={editing.trouble} />
      <div className="row tabs">
        <SegmentedButton accessibleName={t('mapping.parts')}>
          {tabs.map((one) => (
            <SegmentedButtonItem
              key={one}
              selected={one === tab}
              onClick={() => {
                setLine(undefined);
                show({ tab: one === 'map' ? '' : one });
              }}
            >
              {t(`mapping.${one}`)}
            </SegmentedButtonItem>
          ))}
        </SegmentedButton>
        {tab === 'map' && doc.sections.length > 1 && (
          <SegmentedButton accessibleName={t('mapping.section')}>
            {doc.sections.map((one) => (
              <SegmentedButtonItem
                key={one.name}
                selected={one === section}
                tooltip={`${one.salesforce} · ${one.b1}`}
                onClick={() => {
                  choose(undefined);
                  show({ section: one.name });
                }}
              >
                {one.name}
              </SegmentedButtonItem>
            ))}
          </SegmentedButton>
        )}
      </div>
      {tab === 'map' &&
        (section ? (
          <Map key={section.name} editing={editing} section={section} chosen={chosen} choose={choose} />
        ) : (
          <p className="soft">{t('mapping.noSections')}</p>
        ))}
      {tab === 'tables' && <Tables editing={editing} />}
      {tab === 'text' && <Text editing={editing} line={line} />}
      {tab === 'check' && <Check editing={editing} show={showFinding} />}
      {publishing && <Publish editing={editing} live={live} setLive={setLive} close={() => setPublishing(false)} />}
      {leaving && (
        <Leave
          stay={() => setLeaving(undefined)}
          go={leaving}
          discard={() => {
            editing.discard();
            leaving();
          }}
        />
      )}
    </Page>
  );
}

function Leave({ stay, go, discard }: { stay: () => void; go: () => void; discard: () => void }) {
  const { t } = useWords();
  return (
    <Dialog
      open
      headerText={t('leave.title')}
      className="dialog"
      onClose={stay}
      footer={
        <Bar
          design="Footer"
          endContent={
            <>
              <Button design="Emphasized" onClick={stay}>
                {t('leave.stay')}
              </Button>
              <Button onClick={go}>{t('leave.keep')}</Button>
              <Button design="Negative" onClick={discard}>
                {t('leave.discard')}
              </Button>
            </>
          }
        />
      }
    >
      <p>{t('leave.says')}</p>
    </Dialog>
  );
}
