// A mapping's text under change: each edit is made by the host, so that comments and order stay; nothing is kept there.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api } from '../../api/client.ts';
import { mappingRead } from '../../api/queries.ts';
import type { Edit, MappingDoc } from '../../api/types.ts';
import { useLast } from './last.ts';
import { begin, keep, kept, put, redo, undo, type History } from './history.ts';

export interface Editing {
  flow: string;
  /** What the text says; of the text before as long as it is read. */
  doc: MappingDoc;
  text: string;
  changed: boolean;
  /** Whether edits may be made at all. */
  may: boolean;
  trouble: unknown;
  /** `to` names what is changed: changes to the same one after the other are one step. Edits that keep a part of what is there are made of `doc`, what
   * the text says when their turn comes: what is shown may be of before the last change. */
  edit: (edits: Edit[] | ((doc: MappingDoc) => Edit[]), to?: string) => Promise<void>;
  /** Another text in its place, as somebody typed it. */
  write: (text: string, to?: string) => void;
  undo: (() => void) | undefined;
  redo: (() => void) | undefined;
  /** Back to what the files say. */
  discard: () => void;
  /** It was published: what is here is what the files say. */
  published: (release: string) => void;
  /** Another mapping was published since this work began. */
  overtaken: boolean;
}

export function useEditing(flow: string, base: MappingDoc, may: boolean, place: string): Editing {
  const client = useQueryClient();
  const [before] = useState(() => (may ? kept(sessionStorage.getItem(place)) : undefined));
  const [history, setHistory] = useState<History>(before ?? begin(base.text));
  const [from, setFrom] = useState(base.text);
  // Whose mapping the work began with; another one in the files now was published by somebody else.
  const [origin, setOrigin] = useState(before ? before.release : base.release);
  const [overtaken, setOvertaken] = useState(origin !== base.release);
  const [trouble, setTrouble] = useState<unknown>();
  const now = useRef(history);
  const queue = useRef(Promise.resolve());
  const changed = history.now !== from;

  const set = useCallback((next: History) => {
    now.current = next;
    setHistory(next);
  }, []);
  useEffect(() => {
    try {
      if (changed) sessionStorage.setItem(place, keep(history, origin));
      else sessionStorage.removeItem(place);
    } catch {
      // No room: the work is still here, and leaving asks.
    }
  }, [changed, history, place, origin]);

  const query = useQuery({
    ...mappingRead(flow, history.now),
    enabled: may && history.now !== base.text,
    placeholderData: (earlier) => earlier ?? base,
  });
  const last = useLast(query.data);
  const doc = history.now === base.text ? base : (last ?? base);

  const edit = useCallback(
    (wanted: Edit[] | ((doc: MappingDoc) => Edit[]), to?: string) => {
      // One after the other: each is made to the text that the one before left.
      queue.current = queue.current.then(async () => {
        try {
          const text = now.current.now;
          const read = async () => (text === base.text ? base : client.fetchQuery(mappingRead(flow, text)));
          const edits = typeof wanted === 'function' ? wanted(await read()) : wanted;
          if (edits.length === 0) return;
          const made = await api.post<MappingDoc>(`/flows/${encodeURIComponent(flow)}/mapping/edit`, { text, edits });
          // Somebody went back or wrote meanwhile: what was done last counts.
          if (now.current.now !== text) return;
          client.setQueryData(mappingRead(flow, made.text).queryKey, made);
          setTrouble(undefined);
          set(put(now.current, made.text, to));
        } catch (why) {
          setTrouble(why);
        }
      });
      return queue.current;
    },
    [base, client, flow, set],
  );
  return {
    flow,
    doc,
    text: history.now,
    changed,
    may,
    trouble: trouble ?? query.error,
    edit,
    write: (text, to) => set(put(now.current, text, to)),
    undo: history.past.length > 0 ? () => set(undo(now.current)) : undefined,
    redo: history.future.length > 0 ? () => set(redo(now.current)) : undefined,
    discard: () => {
      // At once: the page may be gone before it is drawn again.
      sessionStorage.removeItem(place);
      setFrom(base.text);
      setOrigin(base.release);
      setOvertaken(false);
      set(begin(base.text));
    },
    overtaken: changed && overtaken,
    published: (release) => {
      setOrigin(release);
      setOvertaken(false);
      setFrom(now.current.now);
      set(begin(now.current.now));
    },
  };
}
