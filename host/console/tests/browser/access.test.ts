// Everybody can use it: axe on each page in both themes and widths, and the keyboard alone from the sign-in to an answer.
import type { Page } from '@playwright/test';
import { dialogOf, expect, look, PASSWORD, settled, signIn, tabTo, test, title } from './console.ts';

const PAGES = {
  'what there is': [
    '/',
    '/events',
    '/kinds',
    '/explain',
    '/explain?record=1042',
    '/reconcile',
    '/reviews',
    '/agents',
    '/agents?agent=order-desk&run=30002',
    '/flows',
    '/flows/orders',
    '/flows/orders?tab=settings',
    '/flows/orders?tab=rights',
    '/flows/accounts',
    '/nowhere',
  ],
  'what changes it': [
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
  ],
  'who may': ['/access', '/access?tab=tokens', '/access?tab=sessions', '/access?tab=audit', '/account'],
};

/** Goes there as a link does. */
async function visit(page: Page, path: string): Promise<void> {
  await page.evaluate((path) => history.pushState(null, '', path), path);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await settled(page);
}

for (const width of [1440, 390]) {
  test.describe(`axe finds nothing serious, ${width} wide`, () => {
    test.use({ viewport: { width, height: 900 } });
    test.beforeEach(async ({ page }) => {
      await page.goto('/');
      await expect(title(page, 'Sign in to Tandem')).toBeVisible();
    });

    const signedIn = async (page: Page) => {
      await page.getByRole('textbox', { name: 'Name' }).fill('admin');
      await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
      await page.keyboard.press('Enter');
      await expect(title(page, 'Overview')).toBeVisible();
    };

    test('sign-in', async ({ page }) => {
      await look(page, 'sign-in');
    });

    for (const [name, paths] of Object.entries(PAGES)) {
      test(name, async ({ page }) => {
        await signedIn(page);
        for (const path of paths) {
          await visit(page, path);
          await look(page, path);
        }
      });
    }

    test('an event, a question, and what opens on them', async ({ page }) => {
      await signedIn(page);
      await visit(page, '/events?q=1042&flow=orders');
      await page
        .getByRole('link', { name: /^#\d+$/ })
        .first()
        .click();
      await page.getByRole('button', { name: 'Rehearse' }).click();
      await expect(page.getByText('Nothing was written.')).toBeVisible();
      await page.getByRole('button', { name: /POST b1/ }).click();
      await look(page, 'story');
      // What a retry of many would do.
      await visit(page, '/kinds');
      await page
        .getByRole('button', { name: /What would a retry do/ })
        .first()
        .click();
      await expect(dialogOf(page).getByRole('row').first()).toBeVisible();
      await look(page, 'rehearsed');
      await page.keyboard.press('Escape');
      await visit(page, '/reviews');
      await page.getByRole('link', { name: /Maxi-Teq GmbH/ }).click();
      await page.getByRole('button', { name: /do\? link with C20500/ }).click();
      await expect(page.getByText('Nothing was written.')).toBeVisible();
      await look(page, 'review');
      await page.getByRole('button', { name: /Answer with “create”/ }).click();
      await expect(dialogOf(page)).toBeVisible();
      await look(page, 'dialog');
    });

    test('a release that waits, compared, with what it asks for; a first load, rehearsed', async ({ page }) => {
      await signedIn(page);
      await visit(page, '/flows/orders');
      await page
        .getByRole('listitem')
        .or(page.getByRole('row'))
        .filter({ hasText: 'Waiting' })
        .getByRole('link')
        .first()
        .click();
      await page.getByRole('button', { name: /Compare over/ }).click();
      await expect(page.getByRole('region', { name: 'What would be written otherwise' })).toBeVisible();
      await look(page, 'release');
      await page.getByRole('button', { name: 'Grant 2 rights' }).click();
      await expect(dialogOf(page)).toBeVisible();
      await look(page, 'grant');
      await page.keyboard.press('Escape');
      await visit(page, '/flows/catalogue');
      await page.getByRole('button', { name: 'Not loaded yet' }).click();
      await page.getByRole('button', { name: 'Rehearse' }).click();
      await expect(page.getByText('Rehearsed:')).toBeVisible();
      await look(page, 'load');
    });

    test('a rule, its code table, and the way to publish it', async ({ page }) => {
      await signedIn(page);
      await visit(page, '/mapping/accounts');
      await page
        .getByRole('button', { name: /Phone/ })
        .filter({ hasText: width > 700 ? 'Phone1 ↔ Phone' : /^Phone/ })
        .first()
        .click();
      await page.getByRole('button', { name: 'Use a code table' }).click();
      await expect(dialogOf(page)).toBeVisible();
      await look(page, 'table');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Remove rule' }).click();
      await page.getByRole('button', { name: 'Publish' }).click();
      await expect(dialogOf(page)).toBeVisible();
      await look(page, 'publish');
    });
  });
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
  const isOfQuestions = () =>
    page.evaluate(() => /questions? wait/.test(document.activeElement?.closest('li')?.textContent ?? ''));
  do await tabTo(page, /See to it/);
  while (!(await isOfQuestions()));
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
