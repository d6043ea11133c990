// Signing in at a provider of another site, in a real browser: what it keeps and sends across sites is not what a script would.
import { expect, test } from '@playwright/test';

test('off to the provider, back to where one wanted to go, and out again', async ({ page, baseURL }) => {
  const refused: string[] = [];
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/i.test(message.text()) && page.url().startsWith(baseURL ?? ''))
      refused.push(message.text());
  });
  await page.goto('/events?state=review');
  await page.getByRole('button', { name: 'Continue with single sign-on' }).click();
  await page.getByPlaceholder('Enter any login').fill('u-ada');
  await page.getByPlaceholder('and password').fill('x');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Events' })).toBeVisible();
  await expect(page).toHaveURL(/\/events\?state=review$/);

  await page.getByRole('button', { name: /ada/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: /Yes, sign me out/ }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in to Tandem' })).toBeVisible();

  // Somebody else, who is refused with words.
  await page.getByRole('button', { name: 'Continue with single sign-on' }).click();
  await page.getByPlaceholder('Enter any login').fill('u-eve');
  await page.getByPlaceholder('and password').fill('x');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.locator('ui5-message-strip')).toContainText(
    'No group of eve lets them in. Groups: canteen, car-pool. Any of these would do: desk, it, ops, staff.',
  );
  expect(refused).toEqual([]);
});
