// What the browser tests share: a mock that was made anew, a sign-in, and a page that may neither break nor load from outside.
import { expect, test as base, type Page } from '@playwright/test';

export const PASSWORD = 'mock-password';

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
