// What the browser tests share: a mock that was made anew, a sign-in, a page that may neither break nor load from outside,
// axe, and the keyboard.
import { createRequire } from 'node:module';
import { expect, test as base, type Page, type Request } from '@playwright/test';

export const PASSWORD = 'mock-password';
const AXE = (createRequire(import.meta.url)('axe-core') as { source: string }).source;

/** What a page has asked for and not yet got. */
const pending = new WeakMap<Page, Set<Request>>();

/** A page that fails the test where the policy refused something, something broke, or something came from outside. */
export const test = base.extend<{ page: Page }>({
  // The mock of this worker.
  baseURL: ({ baseURL }, give, { parallelIndex }) => {
    const own = new URL(baseURL ?? '');
    own.port = String(Number(own.port) + parallelIndex);
    return give(own.origin);
  },
  page: async ({ page, request, baseURL }, show) => {
    await request.get('/mock/reset');
    const wrong: string[] = [];
    const waits = new Set<Request>();
    pending.set(page, waits);
    page.on('pageerror', (error) => wrong.push(`broke: ${error.message}`));
    page.on('console', (message) => {
      if (/Content Security Policy|Refused to/i.test(message.text())) wrong.push(message.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${baseURL}/`) && !url.startsWith('data:')) wrong.push(`from outside: ${url}`);
      // The stream never ends.
      if (!url.endsWith('/live')) waits.add(request);
    });
    page.on('requestfinished', (request) => waits.delete(request));
    page.on('requestfailed', (request) => waits.delete(request));
    await show(page);
    expect(wrong).toEqual([]);
  },
});

/** Waits until the page has all that it asked for, has made of it what it makes, and nothing in it moves or fades. */
export async function settled(page: Page): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet = pending.get(page)?.size === 0 ? quiet + 1 : 0) {
    await page.waitForTimeout(30);
    // An idle moment comes after the work that there is. A browser that makes no pictures for a while, or a busy machine, may have
    // none to tell of: what is then not made yet, the questions asked of the page wait for themselves.
    await page.evaluate(() => new Promise((idle) => requestIdleCallback(idle, { timeout: 200 })));
  }
  await page.evaluate(() => {
    const roots: (Document | ShadowRoot)[] = [document];
    for (const root of roots) {
      for (const element of root.querySelectorAll('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
      for (const animation of root.getAnimations()) {
        if (animation.effect?.getComputedTiming().endTime !== Infinity) animation.finish();
      }
    }
  });
}

export { expect };

/** The time of the mock: `stands` (what goes on there stands still and is seen for sure), `pass=<ms>` (as if so much had passed), `runs`. */
export async function clock(page: Page, does: 'stands' | 'runs' | `pass=${number}`): Promise<void> {
  await page.request.get(`/mock/clock?${does}`);
}

export async function signIn(page: Page, name: string, path = '/'): Promise<void> {
  await page.goto(path);
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('navigation', { name: 'Pages' }).first()).toBeVisible();
}

/** The title of the page that is shown. */
export function title(page: Page, name: string | RegExp) {
  return page.getByRole('heading', { level: 1, name });
}

/** The dialog that is open. */
export function dialogOf(page: Page) {
  return page.locator('ui5-dialog[open]');
}

/** What went wrong, as the page says it. */
export function problem(page: Page) {
  return page.getByRole('alert').filter({ has: page.locator('ui5-message-strip') });
}

const softly = expect.configure({ soft: true });

/** In light and in dark axe finds nothing that is serious or critical, and the page is no wider than its place. */
export async function look(page: Page, name: string): Promise<void> {
  const isDark = await page.evaluate(() => document.documentElement.dataset.look === 'dark');
  for (const theme of isDark ? (['dark', 'light'] as const) : (['light', 'dark'] as const)) {
    await inTheme(page, theme);
    // What stays: a page that is still being made has no more to say for itself than that.
    await softly.poll(() => serious(page), { message: `${name}, ${theme}`, timeout: 10_000 }).toEqual([]);
  }
  const wide = await page.evaluate(() => {
    const main = document.querySelector('.shell-main');
    return main ? main.scrollWidth > main.clientWidth : false;
  });
  expect.soft(wide, `${name} is wider than the page`).toBe(false);
}

/** Shows the page in light or in dark, as the system may change it at any time. */
export async function inTheme(page: Page, theme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  await page.waitForFunction((theme) => {
    const [first = ''] = getComputedStyle(document.documentElement).getPropertyValue('--sapBackgroundColor').slice(1);
    return Number.parseInt(first, 16) < 8 === (theme === 'dark');
  }, theme);
  await settled(page);
}

async function serious(page: Page): Promise<string[]> {
  // By the debugger, as the page's policy lets no script in.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    interface Found {
      violations: { id: string; impact: string; help: string; nodes: { html: string; target: string[] }[] }[];
    }
    const { axe } = window as unknown as { axe: { run: (options: object) => Promise<Found> } };
    const { violations } = await axe.run({ resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .flatMap(({ id, help, nodes }) =>
        nodes.map((node) => `${id}: ${help}: ${String(node.target)} ${node.html.slice(0, 160)}`),
      );
  });
}

/** Presses Tab until what has the focus, or what holds it, is named so; fails where it never is. */
export async function tabTo(page: Page, name: RegExp, most = 60): Promise<void> {
  for (let times = 0; times < most; times++) {
    await page.keyboard.press('Tab');
    const names = await page.evaluate(() => {
      // The page itself has all of its words.
      let at: Element | null = document.activeElement === document.body ? null : document.activeElement;
      const names: string[] = [];
      while (at) {
        names.push(at.getAttribute('aria-label') ?? '', (at as HTMLElement).innerText ?? '');
        at = at.shadowRoot?.activeElement ?? null;
      }
      return names;
    });
    if ([names.join(' '), ...names].some((one) => name.test(one))) return;
  }
  throw new Error(`Tab never comes to ${String(name)}`);
}
