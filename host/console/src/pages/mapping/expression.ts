// What the editor knows of expressions: colours, completion with signatures, errors as one types.
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import { StreamLanguage } from '@codemirror/language';
import { linter, type Diagnostic } from '@codemirror/lint';
import type { Extension } from '@codemirror/state';
import { autocompletion } from '@codemirror/autocomplete';
import { api } from '../../api/client.ts';
import type { ExpressionSaid, Field, Word } from '../../api/types.ts';

const CHECK_MS = 300;

const COLOURED = StreamLanguage.define<null>({
  token: (stream) => {
    if (stream.eatSpace()) return null;
    if (stream.match(/^"(?:[^"\\]|\\.)*"?|^'(?:[^'\\]|\\.)*'?/)) return 'string';
    if (stream.match(/^\d[\d.]*/)) return 'number';
    if (stream.match(/^(?:true|false|null)\b/)) return 'atom';
    if (stream.match(/^(?:in|source|tables|reverse)\b/)) return 'keyword';
    if (stream.match(/^[A-Za-z_]\w*/)) return 'variableName';
    stream.next();
    return null;
  },
});

type FieldsAt = (path: readonly string[]) => Promise<readonly Field[]>;
interface Facts {
  words: readonly Word[];
  tables: readonly string[];
  /** The fields at a path of related records; the record's own for none. */
  fields: FieldsAt;
}

/** What is known while an editor stands; it is told anew whenever it changes. */
export class Known {
  #facts: Facts = { words: [], tables: [], fields: async () => [] };
  /** Told after each check. */
  constructor(readonly said: (of: ExpressionSaid) => void) {}

  learn(facts: Facts): void {
    this.#facts = facts;
  }
  words = () => this.#facts.words;
  tables = () => this.#facts.tables;
  fields: FieldsAt = (path) => this.#facts.fields(path);
}

/** `known` is read when it is needed, so that one extension serves as long as the editor stands. */
export function expression(known: Known): Extension {
  return [
    COLOURED,
    autocompletion({ override: [(context) => complete(known, context)], icons: false }),
    linter((view) => check(known, view.state.doc.toString()), { delay: CHECK_MS }),
  ];
}

async function check(known: Known, text: string): Promise<Diagnostic[]> {
  if (text.trim() === '') return [];
  let said: ExpressionSaid;
  try {
    said = await api.post<ExpressionSaid>('/expression', { text, tables: [...known.tables()] });
  } catch {
    return []; // the host is away: the page says so elsewhere
  }
  known.said(said);
  if (said.ok || said.error === null) return [];
  const from = Math.min(offset(text, said.at ?? 0), Math.max(0, text.length - 1));
  const length = /^\w+/.exec(text.slice(from))?.[0].length ?? 1;
  return [{ from, to: Math.min(from + length, text.length), severity: 'error', message: said.error }];
}

/** Letters of the host are code points, those of the editor code units. */
function offset(text: string, letters: number): number {
  return [...text].slice(0, letters).join('').length;
}

export async function complete(known: Known, context: CompletionContext): Promise<CompletionResult | null> {
  const path = context.matchBefore(/\b(source|tables|reverse)((?:\.\w+)*)\.\w*/);
  if (path) {
    const [root = '', ...parts] = path.text.split('.');
    const typed = parts.pop() ?? '';
    const from = context.pos - typed.length;
    if (root !== 'source') {
      const options = known
        .tables()
        .map((name): Completion => ({ label: name, type: 'variable', apply: `${name}[source.` }));
      return { from, options, validFor: /^\w*$/ };
    }
    const fields = await known.fields(parts);
    return { from, options: fields.flatMap(fieldChoices), validFor: /^\w*$/ };
  }
  const word = context.matchBefore(/\w+/);
  if (!word && !context.explicit) return null;
  const method = context.matchBefore(/\.\w*/) !== null;
  const options = known
    .words()
    .filter((one) => (method ? one.kind === 'method' : one.kind !== 'method' && /^\w/.test(one.name)))
    .map(wordChoice);
  const own: Completion = { label: 'source', detail: 'source.Field', boost: 10, apply: 'source.' };
  return { from: word?.from ?? context.pos, options: method ? options : [own, ...options], validFor: /^\w*$/ };
}

function fieldChoices(field: Field): Completion[] {
  const type = field.length === null ? field.type : `${field.type} ${field.length}`;
  const own: Completion = { label: field.name, detail: `${field.label} · ${type}`, boost: field.custom ? 1 : 0 };
  if (!field.relation) return [own];
  return [own, { label: field.relation.name, detail: `${field.label} ›`, apply: `${field.relation.name}.` }];
}

function wordChoice(word: Word): Completion {
  return {
    label: word.name,
    detail: word.signature,
    info: `${word.does}\n${word.example}`,
    apply: word.kind === 'function' || word.kind === 'method' ? `${word.name}(` : word.name,
  };
}
