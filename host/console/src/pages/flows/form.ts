// A form out of a JSON Schema: which field is shown how. What no field can show is edited as JSON.
import type { Schema } from '../../api/types.ts';

export type Shape =
  | { is: 'text' | 'flag' | 'texts' | 'json' }
  | { is: 'number'; whole: boolean; least?: number; most?: number }
  | { is: 'choice'; choices: unknown[] }
  /** Names of the person's own, each with a value of one shape. */
  | { is: 'map'; of: 'text' | 'number' }
  | { is: 'group'; fields: FormField[] };

export interface FormField {
  name: string;
  title: string;
  help: string;
  /** What counts where nothing is set. */
  usual: unknown;
  required: boolean;
  /** May be left empty. */
  optional: boolean;
  shape: Shape;
}

/** How deep groups stand in groups at most; what lies deeper is JSON. */
const DEEPEST = 4;

export function formOf(schema: Schema, root: Schema = schema, depth = 0): FormField[] {
  const own = resolved(schema, root);
  return Object.entries(own.properties ?? {}).map(([name, said]) => {
    const inner = resolved(said, root);
    const { schema: core, optional } = withoutNull(inner, root);
    return {
      name,
      title: inner.title ?? name,
      help: inner.description ?? core.description ?? '',
      usual: inner.default,
      required: own.required?.includes(name) ?? false,
      optional,
      shape: shapeOf(core, root, depth),
    };
  });
}

/** What a `$ref`, or an `allOf` around one, leads to; what stands beside it counts more. */
function resolved(schema: Schema, root: Schema, depth = 8): Schema {
  if (depth === 0) return schema;
  const [only, ...more] = schema.allOf ?? [];
  if (only && more.length === 0) {
    return resolved({ ...resolved(only, root, depth - 1), ...schema, allOf: undefined }, root, depth - 1);
  }
  if (schema.$ref === undefined) return schema;
  const { $ref, ...rest } = schema;
  const found = $ref
    .replace(/^#\/?/, '')
    .split('/')
    .reduce<unknown>((at, name) => (name === '' ? at : (at as Record<string, unknown> | undefined)?.[name]), root);
  return resolved({ ...((found ?? {}) as Schema), ...rest }, root, depth - 1);
}

/** The schema without null, and whether null was in it. */
function withoutNull(schema: Schema, root: Schema): { schema: Schema; optional: boolean } {
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null');
    const type = types.length === 1 ? types[0] : types;
    return { schema: { ...schema, type }, optional: types.length < schema.type.length };
  }
  const some = (schema.anyOf ?? []).map((one) => resolved(one, root));
  const [only, ...more] = some.filter((one) => one.type !== 'null');
  if (only && more.length === 0 && some.length > 1) {
    return { schema: { ...only, ...schema, type: only.type, anyOf: undefined }, optional: true };
  }
  return { schema, optional: false };
}

function shapeOf(schema: Schema, root: Schema, depth: number): Shape {
  const choices = choicesOf(schema);
  if (choices) return { is: 'choice', choices };
  switch (schema.type) {
    case 'string':
      return { is: 'text' };
    case 'boolean':
      return { is: 'flag' };
    case 'integer':
    case 'number':
      return {
        is: 'number',
        whole: schema.type === 'integer',
        ...(schema.minimum !== undefined && { least: schema.minimum }),
        ...(schema.maximum !== undefined && { most: schema.maximum }),
      };
    case 'array':
      return schema.items && resolved(schema.items, root).type === 'string' ? { is: 'texts' } : { is: 'json' };
    case 'object': {
      if (schema.properties && Object.keys(schema.properties).length > 0) {
        return depth < DEEPEST ? { is: 'group', fields: formOf(schema, root, depth + 1) } : { is: 'json' };
      }
      const each =
        typeof schema.additionalProperties === 'object' ? resolved(schema.additionalProperties, root) : undefined;
      if (each?.type === 'string' && !choicesOf(each)) return { is: 'map', of: 'text' };
      return each?.type === 'number' || each?.type === 'integer' ? { is: 'map', of: 'number' } : { is: 'json' };
    }
    default:
      return { is: 'json' };
  }
}

/** Values one of which it is: an `enum`, or a `oneOf` of single values. */
function choicesOf(schema: Schema): unknown[] | undefined {
  if (schema.enum) return schema.enum.filter((one) => one !== null);
  const each = (schema.oneOf ?? []).map((one) => ('const' in one ? [one.const] : one.enum));
  return each.length > 0 && each.every((one) => one !== undefined) ? each.flatMap((one) => one ?? []) : undefined;
}

/** Settings with one of them set; undefined takes it away, so that the usual counts. */
export function withSetting(settings: Record<string, unknown>, name: string, value: unknown): Record<string, unknown> {
  if (value !== undefined) return { ...settings, [name]: value };
  return Object.fromEntries(Object.entries(settings).filter(([one]) => one !== name));
}

/** A number as somebody writes it; undefined where there is none, null where it is no number. */
export function numberOf(text: string): number | undefined | null {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
