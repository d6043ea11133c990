import { expect, test } from 'vitest';
import { closure, lean } from '../../build/lean-themes.ts';

const BASE = ':root{--meta: {"a": "b;c"};--blue: #00f;--red: #f00;--picture: url("data:image/svg+xml;--x")}';
const PARTS = ':host{--button: var(--blue);--calendar: var(--red)}.x{color: var(--red)}';

test('a theme keeps what is read and what that leads to in another theme, and nothing else', () => {
  const read = closure(new Set(['--button', '--picture']), [BASE, PARTS]);
  expect(lean(BASE, read)).toBe(':root{--blue: #00f;--picture: url("data:image/svg+xml;--x")}');
  expect(lean(PARTS, read)).toBe(':host{--button: var(--blue);}.x{color: var(--red)}');
});
