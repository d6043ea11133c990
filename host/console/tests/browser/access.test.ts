// Everybody can use it: axe on each page in both themes and widths, and the keyboard alone from the sign-in to an answer.
import type { Page } from '@playwright/test';
import { dialogOf, expect, PASSWORD, serious, signIn, tabTo, test, title } from './console.ts';

const PAGES = [
  '/',
  '/events',
  '/kinds',
  '/explain',
  '/explain?record=1042',
  '/reviews',
  '/flows',
  '/flows/orders',
  '/flows/orders?tab=settings',
  '/flows/orders?tab=rights',
  '/mapping',
  '/mapping/orders',
  '/mapping/accounts',
  '/mapping/accounts?tab=tables',
  '/mapping/orders?tab=text',
  '/mapping/orders?tab=check',
  '/setup',
  '/setup?step=b1',
  '/setup?step=flows',
  '/setup?step=load',
  '/access',
  '/access?tab=tokens',
  '/access?tab=sessions',
  '/access?tab=audit',
  '/account',
  '/nowhere',
];

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1440, 390]) {
    test(`axe finds nothing serious, ${colorScheme}, ${width} wide`, async ({ page }) => {
      test.setTimeout(240_000);
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.goto('/');
      await expect(title(page, 'Sign in to Tandem')).toBeVisible();
      const found: Record<string, string[]> = { 'sign-in': await serious(page) };
      await page.getByRole('textbox', { name: 'Name' }).fill('admin');
      await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
      await page.keyboard.press('Enter');
      await expect(title(page, 'Overview')).toBeVisible();
      const look = async (path: string) => {
        await page.goto(path);
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await page.waitForLoadState('networkidle', { timeout: 1000 }).catch(() => undefined);
        found[path] = await serious(page);
      };
      for (const path of PAGES) await look(path);
      // One event and one question, with what opens on them.
      await page.goto('/events?q=1042&flow=orders');
      await page
        .getByRole('link', { name: /^#\d+$/ })
        .first()
        .click();
      await page.getByRole('button', { name: 'Rehearse' }).click();
      await expect(page.getByText('Nothing was written.')).toBeVisible();
      await page.getByRole('button', { name: /POST b1/ }).click();
      found.story = await serious(page);
      // What a retry of many would do.
      await page.goto('/kinds');
      await page
        .getByRole('button', { name: /What would a retry do/ })
        .first()
        .click();
      await expect(dialogOf(page).getByRole('row').first()).toBeVisible();
      found.rehearsed = await serious(page);
      // A release that waits, compared, with what it asks for.
      await page.goto('/flows/orders');
      await page
        .getByRole('listitem')
        .or(page.getByRole('row'))
        .filter({ hasText: 'Waiting' })
        .getByRole('link')
        .first()
        .click();
      await page.getByRole('button', { name: /Compare over/ }).click();
      await expect(page.getByRole('region', { name: 'What would be written otherwise' })).toBeVisible();
      found.release = await serious(page);
      await page.getByRole('button', { name: 'Grant 2 rights' }).click();
      await expect(dialogOf(page)).toBeVisible();
      found.grant = await serious(page);
      // A rule, its code table, and the way to publish it.
      await page.goto('/mapping/accounts');
      await page
        .getByRole('button', { name: /Phone/ })
        .filter({ hasText: width > 700 ? 'Phone1 ↔ Phone' : /^Phone/ })
        .first()
        .click();
      await page.getByRole('button', { name: 'Use a code table' }).click();
      await expect(dialogOf(page)).toBeVisible();
      found.table = await serious(page);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Remove rule' }).click();
      await page.getByRole('button', { name: 'Publish' }).click();
      await expect(dialogOf(page)).toBeVisible();
      found.publish = await serious(page);
      await page.evaluate(() => sessionStorage.clear());
      await page.goto('/reviews');
      await page.getByRole('link', { name: /Maxi-Teq GmbH/ }).click();
      await page.getByRole('button', { name: /do\? link with C20500/ }).click();
      await expect(page.getByText('Nothing was written.')).toBeVisible();
      found.review = await serious(page);
      await page.getByRole('button', { name: /Answer with “create”/ }).click();
      await expect(dialogOf(page)).toBeVisible();
      found.dialog = await serious(page);
      expect(Object.fromEntries(Object.entries(found).filter(([, of]) => of.length > 0))).toEqual({});
    });
  }
}

test('with the keyboard alone: sign in, open a question, answer it', async ({ page }) => {
  await page.goto('/');
  await expect(title(page, 'Sign in to Tandem')).toBeVisible();
  await page.keyboard.press('Tab');
  await page.keyboard.type('sales-operations');
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(title(page, 'Overview')).toBeVisible();

  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'To the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await tabTo(page, /See to it/);
  await page.keyboard.press('Enter');
  await expect(title(page, 'Reviews')).toBeVisible();
  await tabTo(page, /Parameter Technology/);
  await page.keyboard.press('Enter');
  await expect(title(page, /Question/)).toBeVisible();
  await tabTo(page, /Answer with “send anyway”|^Answer|\bAnswer\b(?!s)/);
  await page.keyboard.press('Enter');
  const dialog = dialogOf(page);
  await expect(dialog).toBeVisible();
  await tabTo(page, /Give this answer/, 8);
  await page.keyboard.press('Enter');
  await expect(dialog).toBeHidden();
  await page.goto('/reviews');
  await expect(page.getByRole('link', { name: /Norm Thompson/ })).toBeVisible();
  await expect(page.getByRole('link', { name: /Parameter Technology/ })).toHaveCount(0);
});

test('on a phone the navigation opens over the page and closes behind the way', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signInNarrow(page);
  await page.getByRole('button', { name: 'Show or hide the navigation' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).getByText('Events').click();
  await expect(title(page, 'Events')).toBeVisible();
  await expect(page.getByText('Errors by kind')).toBeHidden();
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
});

async function signInNarrow(page: Page): Promise<void> {
  await page.setViewportSize({ width: 1440, height: 844 });
  await signIn(page, 'operator');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.reload();
  await expect(title(page, 'Overview')).toBeVisible();
}
