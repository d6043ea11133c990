// A text editor for code. It lives in a shadow root: there its styles are adopted sheets, which the policy allows; in the
// page itself they would be a style element, which it refuses.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';

const PAUSE_MS = 400;

const LOOK = EditorView.theme({
  '&': {
    color: 'var(--sapField_TextColor)',
    backgroundColor: 'var(--sapField_Background)',
    border: '1px solid var(--sapField_BorderColor)',
    borderRadius: 'var(--sapField_BorderCornerRadius, 0.25rem)',
    fontSize: '0.8125rem',
  },
  '&.cm-focused': { outline: '2px solid var(--sapContent_FocusColor)', outlineOffset: '1px' },
  '.cm-scroller': { fontFamily: 'var(--sapFontMonospaceFamily, monospace)', lineHeight: '1.5' },
  '.cm-content': { padding: '0.5rem 0', caretColor: 'var(--sapField_TextColor)' },
  '.cm-cursor': { borderLeftColor: 'var(--sapField_TextColor)' },
  '.cm-gutters': {
    color: 'var(--sapContent_LabelColor)',
    backgroundColor: 'var(--sapBackgroundColor)',
    border: 'none',
  },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': {
    backgroundColor: 'var(--sapList_SelectionBackgroundColor)',
  },
  '.cm-activeLine': { backgroundColor: 'transparent' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--sapWarningBackground)' },
  '.cm-tooltip': {
    color: 'var(--sapTextColor)',
    backgroundColor: 'var(--sapGroup_ContentBackground)',
    border: '1px solid var(--sapGroup_ContentBorderColor)',
    borderRadius: '0.5rem',
    boxShadow: 'var(--sapContent_Shadow1)',
    overflow: 'hidden',
    fontFamily: 'var(--sapFontFamily, sans-serif)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'inherit', maxHeight: '16rem' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '0.25rem 0.5rem', lineHeight: '1.4' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    color: 'var(--sapTextColor)',
    backgroundColor: 'var(--sapList_SelectionBackgroundColor)',
  },
  '.cm-completionDetail': { color: 'var(--sapContent_LabelColor)', fontStyle: 'normal' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-diagnostic': { padding: '0.25rem 0.5rem' },
  '.cm-diagnostic-error': { borderLeft: '3px solid var(--sapNegativeElementColor)' },
  '.cm-lintRange-error': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--sapNegativeElementColor)',
    textUnderlineOffset: '3px',
  },
});
const COLOURS = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.string, color: 'var(--sapPositiveTextColor)' },
    { tag: [tags.comment, tags.lineComment], color: 'var(--sapContent_LabelColor)' },
    { tag: [tags.number, tags.bool, tags.atom], color: 'var(--sapCriticalTextColor)' },
    { tag: [tags.propertyName, tags.variableName], color: 'var(--sapLinkColor)' },
    { tag: tags.keyword, fontWeight: '700' },
  ]),
);

/**
 * Letters in the place of a selection. The browser would keep the look of what was there by a style attribute, which the
 * policy refuses; so it is done here.
 */
function typedOver(event: InputEvent, view: EditorView): boolean {
  const { state } = view;
  const typed = event.inputType === 'insertText' && event.data !== null && !view.composing;
  if (!typed || state.readOnly || state.selection.ranges.every((range) => range.empty)) return false;
  event.preventDefault();
  view.dispatch(state.replaceSelection(event.data ?? ''), { userEvent: 'input.type', scrollIntoView: true });
  return true;
}

interface Props {
  value: string;
  label: string;
  /** Called a moment after the last key. */
  onChange: (text: string) => void;
  /** Made once for each editor. */
  more: Extension;
  locked?: boolean;
  /** As tall as a file, with numbers of its lines. */
  file?: boolean;
  /** Where to go when it is shown: a line. */
  line?: number;
}

export function Code({ value, label, onChange, more, locked = false, file = false, line }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const tell = useRef(onChange);
  // Texts that were told and did not come back yet: when they do, they are older than what stands here.
  const told = useRef<string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const first = useRef({ value, label, line });
  useEffect(() => {
    tell.current = onChange;
  });

  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' });
    const { value, label, line } = first.current;
    const send = () => {
      clearTimeout(timer.current);
      if (timer.current === undefined) return;
      timer.current = undefined;
      const text = made.state.doc.toString();
      told.current.push(text);
      tell.current(text);
    };
    const made = new EditorView({
      parent: root,
      root,
      doc: value,
      extensions: [
        file ? lineNumbers() : [],
        history(),
        bracketMatching(),
        keymap.of([...historyKeymap, ...defaultKeymap]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false' }),
        EditorState.readOnly.of(locked),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged || update.transactions.some((one) => one.isUserEvent('outside'))) return;
          clearTimeout(timer.current);
          timer.current = setTimeout(send, PAUSE_MS);
        }),
        EditorView.domEventHandlers({ blur: () => send(), beforeinput: typedOver }),
        LOOK,
        COLOURS,
        more,
      ],
    });
    view.current = made;
    if (line !== undefined && line <= made.state.doc.lines) {
      const at = made.state.doc.line(line);
      made.dispatch({
        selection: { anchor: at.from, head: at.to },
        effects: EditorView.scrollIntoView(at.from, { y: 'center' }),
      });
      made.focus();
    }
    return () => {
      send();
      made.destroy();
    };
  }, [more, locked, file]);

  useEffect(() => {
    const made = view.current;
    if (!made || timer.current !== undefined) return;
    const back = told.current.indexOf(value);
    if (back >= 0) {
      told.current.splice(0, back + 1);
      return;
    }
    if (value === made.state.doc.toString()) return;
    made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: value }, userEvent: 'outside' });
  }, [value]);

  return <div ref={host} className={file ? 'code-host file' : 'code-host'} />;
}
