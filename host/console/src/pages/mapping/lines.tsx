// Lines between two lists of fields. A line whose end is scrolled out of sight goes to the edge of its list.
import { useEffect, useLayoutEffect, useState, type RefObject } from 'react';

export interface Line {
  id: string;
  left: string;
  right: string;
  look: 'plain' | 'expression' | 'wrong';
  chosen: boolean;
}

interface Place extends Line {
  d: string;
  dim: boolean;
}

interface Props {
  of: readonly Line[];
  frame: RefObject<HTMLElement | null>;
  /** Another number: something moved. */
  moved: number;
  /** The end of a line that is being drawn, in the window. */
  drawn?: { from: string; x: number; y: number };
  choose: (right: string) => void;
}

export function Lines({ of, frame, moved, drawn, choose }: Props) {
  const [places, setPlaces] = useState<{ lines: Place[]; draft: string | undefined }>({ lines: [], draft: undefined });
  const [size, setSize] = useState(0);
  // Not in the layout's effect: there the frame around is not known yet.
  useEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const again = () => setSize((before) => before + 1);
    const sizes = new ResizeObserver(again);
    sizes.observe(element);
    // Rows come and go as somebody searches or opens a related record.
    const rows = new MutationObserver((changes) => {
      if (changes.some(({ target }) => !(target instanceof SVGElement))) again();
    });
    rows.observe(element, { childList: true, subtree: true });
    return () => {
      sizes.disconnect();
      rows.disconnect();
    };
  }, [frame]);
  useLayoutEffect(() => {
    const measure = requestAnimationFrame(() => {
      const element = frame.current;
      if (!element) return;
      const next = { lines: of.flatMap((line) => place(element, line) ?? []), draft: drawn && draft(element, drawn) };
      setPlaces((before) => (JSON.stringify(next) === JSON.stringify(before) ? before : next));
    });
    return () => cancelAnimationFrame(measure);
  }, [of, frame, moved, size, drawn]);
  return (
    <svg className="lines" aria-hidden="true">
      {places.lines.map((line) => (
        <g key={line.id} className={`line ${line.look} ${line.chosen ? 'chosen' : ''} ${line.dim ? 'dim' : ''}`}>
          <path d={line.d} />
          <path className="reach" d={line.d} onClick={() => choose(line.right)} />
        </g>
      ))}
      {places.draft && <path className="draft" d={places.draft} />}
    </svg>
  );
}

/** The row of a path, or of the field that leads there. */
function rowOf(element: HTMLElement, side: 'left' | 'right', path: string): Element | null {
  const exact = element.querySelector(`[data-side="${side}"][data-path="${CSS.escape(path)}"]`);
  if (exact) return exact;
  const up = path.split('.').slice(0, -1).join('.');
  if (up === '') return null;
  return element.querySelector(`[data-side="${side}"][data-leads="${CSS.escape(up)}"]`) ?? rowOf(element, side, up);
}

function end(
  element: HTMLElement,
  side: 'left' | 'right',
  path: string,
): { x: number; y: number; dim: boolean } | undefined {
  const row = rowOf(element, side, path);
  const list = row?.closest('.field-list');
  if (!row || !list) return undefined;
  const frame = element.getBoundingClientRect();
  const own = row.getBoundingClientRect();
  const around = list.getBoundingClientRect();
  const middle = own.top + Math.min(own.height / 2, 24);
  const y = Math.max(around.top + 2, Math.min(around.bottom - 2, middle));
  return { x: (side === 'left' ? around.right : around.left) - frame.left, y: y - frame.top, dim: y !== middle };
}

function curve(from: { x: number; y: number }, to: { x: number; y: number }): string {
  const bend = Math.max(24, Math.abs(to.x - from.x) / 2);
  const [x1, y1, x2, y2] = [from.x, from.y, to.x, to.y].map((one) => Math.round(one));
  return `M${x1} ${y1} C${Math.round(from.x + bend)} ${y1} ${Math.round(to.x - bend)} ${y2} ${x2} ${y2}`;
}

function place(element: HTMLElement, line: Line): Place | undefined {
  const from = end(element, 'left', line.left);
  const to = end(element, 'right', line.right);
  return from && to && { ...line, d: curve(from, to), dim: from.dim || to.dim };
}

function draft(element: HTMLElement, drawn: { from: string; x: number; y: number }): string | undefined {
  const from = end(element, 'left', drawn.from);
  const frame = element.getBoundingClientRect();
  return from && curve(from, { x: drawn.x - frame.left, y: drawn.y - frame.top });
}
