// What the browser tests share: a mock that was made anew, a sign-in, a page that may neither break nor load from outside,
// axe, and the keyboard.
import { createRequire } from 'node:module';
import { expect, test as base, type Page } from '@playwright/test';

export const PASSWORD = 'mock-password';
const AXE = (createRequire(import.meta.url)('axe-core') as { source: string }).source;

/** A page that fails the test where the policy refused something, something broke, or something came from outside. */
export const test = base.extend<{ page: Page }>({
  page: async ({ page, request, baseURL }, show) => {
    await request.get('/mock/reset');
    const wrong: string[] = [];
    page.on('pageerror', (error) => wrong.push(`broke: ${error.message}`));
    page.on('console', (message) => {
      if (/Content Security Policy|Refused to/i.test(message.text())) wrong.push(message.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(baseURL ?? '') && !url.startsWith('data:')) wrong.push(`from outside: ${url}`);
    });
    await show(page);
    expect(wrong).toEqual([]);
  },
});

export { expect };

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

/** What axe finds that is serious or critical, in words. */
export async function serious(page: Page): Promise<string[]> {
  // By the debugger, as the page's policy lets no script in.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    interface Found {
      violations: { id: string; impact: string; help: string; nodes: { html: string; target: string[] }[] }[];
    }
    const { axe } = window as unknown as { axe: { run: () => Promise<Found> } };
    const { violations } = await axe.run();
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
