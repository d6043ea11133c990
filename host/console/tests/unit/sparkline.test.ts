import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, test } from 'vitest';
import { Sparkline } from '../../src/parts/sparkline.tsx';

const bars = (props: { done?: number[]; trouble: number[] }) => {
  const svg = renderToStaticMarkup(createElement(Sparkline, { ...props, label: 'how many' }));
  const found = [...svg.matchAll(/<rect[^>]* x="([-\d.]+)"[^>]* width="([\d.]+)"/g)];
  return found.map(([, x, width]) => [Number(x), Number(x) + Number(width)] as const);
};

test('bars alone lie within the picture, the first as well as the last', () => {
  const found = bars({ trouble: Array.from({ length: 14 }, () => 1) });
  expect(found).toHaveLength(14);
  for (const [from, to] of found) expect(from >= 0 && to <= 120, `${from} to ${to}`).toBe(true);
  expect(found.every(([from], place) => place === 0 || from > (found[place - 1]?.[1] ?? 0))).toBe(true);
});

test('bars below a line stand at its steps', () => {
  const found = bars({ done: [1, 2, 3], trouble: [0, 4, 0] });
  expect(found).toEqual([[58.75, 61.25]]);
});
