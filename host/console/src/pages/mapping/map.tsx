// The map: the source's fields, the target's fields, lines between them, and the rule that is chosen.
import { useQuery } from '@tanstack/react-query';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useCallback, useEffect, useMemo, useRef, useState, type PointerEvent as ReactPointer } from 'react';
import { mappingFields } from '../../api/queries.ts';
import type { Edit, MappingSection, SectionFields } from '../../api/types.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { useNarrow } from '../../parts/narrow.ts';
import { Opens } from '../../parts/opens.tsx';
import { say } from '../../parts/say.tsx';
import { useWords } from '../../words/words.ts';
import type { Editing } from './editing.ts';
import { FieldList, type Ruled } from './field-list.tsx';
import { isPlain, joined, joins, ordered, reservedOf, ruleTo, sides, withMissing, wordsOf } from './fields.ts';
import { Lines, type Line } from './lines.tsx';
import { Preview, useTried } from './preview.tsx';
import { RulePanel } from './rule-panel.tsx';

interface Props {
  editing: Editing;
  section: MappingSection;
  /** The target's field whose rule is shown. */
  chosen: string | undefined;
  choose: (right: string | undefined) => void;
}

export function Map(props: Props) {
  const { editing, section } = props;
  const query = useQuery(mappingFields(editing.flow, section.name));
  return <Loaded query={query}>{(fields) => <Drawn key={section.name} {...props} fields={fields} />}</Loaded>;
}

/** How far the pointer goes before it draws. */
const DRAWS_AT = 6;
const EDGE = 32;

function Drawn({ editing, section, chosen, choose, fields }: Props & { fields: SectionFields }) {
  const { t } = useWords();
  const narrow = useNarrow();
  const frame = useRef<HTMLDivElement>(null);
  const [source, setSource] = useState<string>();
  const [moved, setMoved] = useState(0);
  const [drawn, setDrawn] = useState<{ from: string; x: number; y: number }>();
  const [made, setMade] = useState(0);
  const panelAt = useRef<HTMLDivElement>(null);
  const tried = useTried(editing, section);
  const swallow = useRef(false);
  const { left, right } = sides(section);
  const reserved = useMemo(() => reservedOf(section), [section]);
  // The order of the lists is that of the rules when the section was opened: nothing jumps while one works.
  const [first] = useState(section.rules);
  const [leftFields, rightFields] = useMemo(() => {
    const [then, now] = [first, section.rules].map((rules) => {
      const ends = rules.map(joins);
      return { left: ends.flatMap((one) => one.left), right: ends.map((one) => one.right) };
    });
    return [
      ordered(withMissing(fields[left], now?.left ?? [], left), then?.left ?? []),
      ordered(withMissing(fields[right], now?.right ?? [], right), then?.right ?? []),
    ];
  }, [fields, first, section, left, right]);

  const lines = useMemo(
    () =>
      section.rules.flatMap((rule): Line[] => {
        const ends = joins(rule);
        const look = rule.problem !== null ? 'wrong' : isPlain(rule) ? 'plain' : 'expression';
        return ends.left.map((from) => ({
          id: `${rule.field} ${from}`,
          left: from,
          right: ends.right,
          look,
          chosen: ends.right === chosen || from === source,
        }));
      }),
    [section, chosen, source],
  );
  const [ruled, read] = useMemo(() => {
    const told = section.rules.map((rule): Ruled & { ends: ReturnType<typeof joins> } => ({
      words: wordsOf(rule),
      arrow: rule.kind === 'one-way',
      problem: rule.problem,
      ends: joins(rule),
    }));
    return [
      new globalThis.Map(told.map((one) => [one.ends.right, one])),
      new globalThis.Map(
        told.flatMap((one) => one.ends.left.map((path) => [path, { ...one, problem: null }] as const)),
      ),
    ];
  }, [section]);

  const join = useCallback(
    (from: string, to: string) => {
      void editing.edit((doc) => {
        const now = doc.sections.find(({ name }) => name === section.name);
        if (now === undefined) return [];
        const before = ruleTo(now, to);
        const edits: Edit[] = [{ do: 'put', section: now.name, rule: joined(now, from, to) }];
        // Of a pair the other end moved: what B1's field was joined with before is gone.
        if (now.way === 'both' && before && before.field !== from) {
          edits.unshift({ do: 'remove', section: now.name, field: before.field });
        }
        return edits;
      });
      if (ruleTo(section, to)) say(t('map.replaced', { field: to }));
      setSource(undefined);
      setMade((before) => before + 1);
      choose(to);
    },
    [choose, editing, section, t],
  );
  const chooseLeft = (path: string) => {
    if (swallow.current) return;
    if (editing.may) setSource(path === source ? undefined : path);
  };
  const chooseRight = (path: string) => {
    if (source !== undefined && editing.may) join(source, path);
    else choose(path);
  };

  useEffect(() => {
    if (source === undefined) return undefined;
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && setSource(undefined);
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [source]);

  const onDrag = (path: string, begun: ReactPointer) => {
    if (begun.pointerType === 'touch' || begun.button !== 0) return;
    const { clientX, clientY } = begun;
    let far = false;
    swallow.current = false;
    const move = (event: PointerEvent) => {
      far ||= Math.hypot(event.clientX - clientX, event.clientY - clientY) > DRAWS_AT;
      if (!far) return;
      event.preventDefault();
      scrollAt(event);
      setDrawn({ from: path, x: event.clientX, y: event.clientY });
    };
    const end = (event: PointerEvent) => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', end);
      removeEventListener('pointercancel', end);
      setDrawn(undefined);
      if (!far || event.type === 'pointercancel') return;
      // The click that follows is none.
      swallow.current = true;
      setTimeout(() => (swallow.current = false));
      const row = document.elementFromPoint(event.clientX, event.clientY)?.closest<HTMLElement>('[data-side="right"]');
      const to = row?.dataset.path;
      if (to !== undefined && !row?.classList.contains('taken')) join(path, to);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', end);
    addEventListener('pointercancel', end);
  };

  // The other end of the line of a rule that is chosen comes into sight, within its list alone.
  useEffect(() => {
    if (chosen === undefined) return;
    panelAt.current?.scrollIntoView({ block: 'nearest' });
    const rule = ruleTo(section, chosen);
    for (const [side, path] of [
      ['left', rule && joins(rule).left[0]],
      ['right', chosen],
    ] as const) {
      const row =
        path && frame.current?.querySelector<HTMLElement>(`[data-side="${side}"][data-path="${CSS.escape(path)}"]`);
      const list = row ? row.closest<HTMLElement>('.field-list') : null;
      if (!row || !list) continue;
      const above = row.offsetTop - list.offsetTop;
      if (above < list.scrollTop || above + row.offsetHeight > list.scrollTop + list.clientHeight) {
        list.scrollTop = above - list.clientHeight / 3;
      }
    }
    // Once for each choice, and not with each change of the rule.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [chosen]);

  const tell = () => setMoved((before) => before + 1);
  const names = { b1: section.b1, salesforce: section.salesforce };
  const leftList = (
    <FieldList
      side="left"
      title={t(section.way === 'both' ? `side.${left}` : 'map.source', { side: t(`side.${left}`) })}
      object={names[left]}
      fields={leftFields}
      related={left === 'salesforce' ? { flow: editing.flow, section: section.name } : undefined}
      chosen={source}
      choose={chooseLeft}
      ruled={read}
      reserved={new Set()}
      locked={!editing.may}
      onDrag={onDrag}
      onMove={tell}
    />
  );
  const rightList = (
    <FieldList
      side="right"
      title={t(section.way === 'both' ? `side.${right}` : 'map.target', { side: t(`side.${right}`) })}
      object={names[right]}
      fields={rightFields}
      chosen={chosen}
      choose={chooseRight}
      ruled={ruled}
      reserved={reserved}
      locked={!editing.may}
      onMove={tell}
    />
  );
  const hint = editing.may && (
    <p className={source === undefined ? 'map-hint' : 'map-hint active'} aria-live="polite">
      {source === undefined ? t('map.hint') : t('map.hintTarget', { field: source })}
    </p>
  );
  const panel = (
    <RulePanel
      key={chosen ?? ''}
      tried={tried}
      editing={editing}
      section={section}
      fields={fields}
      right={chosen}
      close={() => choose(undefined)}
    />
  );

  return (
    <div className="stack">
      {fields.unread !== null && (
        <MessageStrip design="Critical" hideCloseButton>
          {fields.unread}
        </MessageStrip>
      )}
      {narrow ? (
        <>
          <section className="card" aria-label={t('map.rules')}>
            <RuleList section={section} chosen={chosen} choose={choose} />
          </section>
          {chosen !== undefined && <div ref={panelAt}>{panel}</div>}
          {editing.may && (
            <section className="card" aria-label={t('map.newRule')}>
              <div className="card-body">
                <Opens key={made} label={t('map.newRule')}>
                  <div className="stack" ref={frame}>
                    {hint}
                    {source === undefined ? leftList : rightList}
                  </div>
                </Opens>
              </div>
            </section>
          )}
        </>
      ) : (
        <div className="map">
          <div className="card map-lists">
            {hint}
            <div className={drawn ? 'map-frame drawing' : 'map-frame'} ref={frame}>
              {leftList}
              {rightList}
              <Lines of={lines} frame={frame} moved={moved} drawn={drawn} choose={choose} />
            </div>
          </div>
          {panel}
        </div>
      )}
      {editing.may && <Preview tried={tried} section={section} chosen={chosen} choose={choose} />}
    </div>
  );
}

/** The list below the pointer goes on where a line is drawn to its edge. */
function scrollAt({ clientX, clientY }: PointerEvent): void {
  const list = document.elementFromPoint(clientX, clientY)?.closest('.field-list');
  const around = list?.getBoundingClientRect();
  if (!list || !around) return;
  if (clientY < around.top + EDGE) list.scrollTop -= EDGE / 2;
  else if (clientY > around.bottom - EDGE) list.scrollTop += EDGE / 2;
}

/** On a phone: the rules in place of the lines. */
function RuleList({
  section,
  chosen,
  choose,
}: {
  section: MappingSection;
  chosen: string | undefined;
  choose: Props['choose'];
}) {
  const { t } = useWords();
  if (section.rules.length === 0) return <p className="soft card-body">{t('map.noRules')}</p>;
  return (
    <ul className="rows">
      {section.rules.map((rule) => {
        const { right } = joins(rule);
        return (
          <li key={rule.field} className={chosen === right ? 'row-item selected' : 'row-item'}>
            <button type="button" className="rule-button" aria-pressed={chosen === right} onClick={() => choose(right)}>
              <strong>{right}</strong>
              <span className="code">{wordsOf(rule)}</span>
              {rule.problem && <span className="bad-text">{rule.problem}</span>}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
