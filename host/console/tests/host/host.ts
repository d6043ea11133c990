// What the tests against a real host share: a page that may neither break nor load from outside, a sign-in, and pictures.
import { expect, test as base, type Page } from '@playwright/test';

export { expect };

export const said = (name: string): string => process.env[name] ?? '';

/** A page that fails the test where the host's policy refused something, something broke, or something came from outside. */
export const test = base.extend<{ page: Page }>({
  page: async ({ page, baseURL }, show) => {
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

export async function signIn(page: Page, name: string, password: string, path = '/'): Promise<void> {
  await page.goto(path);
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('navigation', { name: 'Pages' }).first()).toBeVisible();
}

export async function picture(page: Page, name: string): Promise<void> {
  const folder = said('PICTURES');
  if (folder !== '') await page.screenshot({ path: `${folder}/${name}.png` });
}
