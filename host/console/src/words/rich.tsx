// Words with pieces of the page in them: `<name/>` is a piece, `<name>…</name>` a piece around words.
import { cloneElement, Fragment, type ReactElement, type ReactNode } from 'react';
import { useWords, type Key, type Values } from './words.ts';

interface Props {
  of: Key;
  values?: Values;
  pieces: Record<string, ReactElement>;
}

export function Rich({ of, values, pieces }: Props) {
  const { t } = useWords();
  // Values are put in after the pieces are found, so that a value that looks like one stays text.
  const put = (words: string) => words.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values?.[name] ?? ''));
  const raw = t(of, Object.fromEntries(Object.keys(values ?? {}).map((name) => [name, `{{${name}}}`])));
  const shown: ReactNode[] = [];
  let at = 0;
  for (const found of raw.matchAll(/<(\w+)\/>|<(\w+)>(.*?)<\/\2>/g)) {
    shown.push(put(raw.slice(at, found.index)));
    const piece = pieces[found[1] ?? found[2] ?? ''];
    shown.push(found[3] === undefined || !piece ? piece : cloneElement(piece, {}, put(found[3])));
    at = found.index + found[0].length;
  }
  shown.push(put(raw.slice(at)));
  return shown.map((piece, place) => <Fragment key={place}>{piece}</Fragment>);
}
