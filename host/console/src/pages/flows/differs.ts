// Lines of a mapping that only one release has, as they are shown.

export interface DiffLine {
  what: 'gone' | 'new' | 'same';
  sign: string;
  text: string;
}

/** By the letter before each: "-old", "+new"; any other line is in both. */
export function diffLines(lines: readonly string[]): DiffLine[] {
  return lines.map((line): DiffLine => {
    if (line.startsWith('-')) return { what: 'gone', sign: '−', text: line.slice(1) };
    if (line.startsWith('+')) return { what: 'new', sign: '+', text: line.slice(1) };
    return { what: 'same', sign: ' ', text: line.replace(/^ /, '') };
  });
}
