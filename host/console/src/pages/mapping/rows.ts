// Rows of a code table: what is pasted from a sheet, and what a table says.

export interface Row {
  code: string;
  value: string;
}

/** The first two columns of what a sheet puts on the clipboard; cells with a tab or line in them are in quotes. */
export function pasted(text: string): Row[] {
  return cells(text)
    .map(([code = '', value = '']) => ({ code: code.trim(), value: value.trim() }))
    .filter(({ code, value }) => code !== '' || value !== '');
}

/** Whether a text is more than one cell. */
export function isSheet(text: string): boolean {
  return /[\t\n]/.test(text.replace(/\r?\n$/, ''));
}

function cells(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const all = text.replaceAll('\r\n', '\n');
  for (let at = 0; at < all.length; at++) {
    const letter = all[at] ?? '';
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (all[at + 1] === '"') cell += all[++at] ?? '';
      else quoted = false;
    } else if (letter === '"' && cell === '') quoted = true;
    else if (letter === '\t') {
      row.push(cell);
      cell = '';
    } else if (letter === '\n') {
      rows.push([...row, cell]);
      row = [];
      cell = '';
    } else cell += letter;
  }
  return cell !== '' || row.length > 0 ? [...rows, [...row, cell]] : rows;
}

/** Rows with others put in from a place on; what stands there goes. */
export function pasteAt(rows: readonly Row[], place: number, more: readonly Row[]): Row[] {
  return [...rows.slice(0, place), ...more, ...rows.slice(place + more.length)];
}

export function rowsOfTable(table: Readonly<Record<string, string>>): Row[] {
  return Object.entries(table).map(([code, value]) => ({ code, value }));
}

/** The table of rows: those without a code are not in it. */
export function tableOfRows(rows: readonly Row[]): Record<string, string> {
  return Object.fromEntries(rows.filter(({ code }) => code !== '').map(({ code, value }) => [code, value]));
}

/** Codes that stand in more than one row. */
export function twice(rows: readonly Row[]): string[] {
  const codes = rows.map(({ code }) => code).filter((code) => code !== '');
  return [...new Set(codes.filter((code, place) => codes.indexOf(code) < place))];
}

/** A name for a table that the file takes: letters, digits and _, and not one that is there. */
export function tableName(wish: string, taken: readonly string[]): string {
  const name =
    wish
      .replace(/^U_|__c$/g, '')
      .replace(/([a-z])([A-Z])/g, '$1_$2')
      .toLowerCase()
      .replace(/\W+/g, '_')
      .replace(/^_+|_+$/g, '') || 'codes';
  const safe = /^\d/.test(name) ? `t_${name}` : name;
  for (let number = 2, now = safe; ; number++, now = `${safe}_${number}`) if (!taken.includes(now)) return now;
}
