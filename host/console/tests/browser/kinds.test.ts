// Errors by kind: which are new, how often they come, and what a retry would do before it is done.
import { dialogOf, expect, signIn, test, title } from './console.ts';

test('a kind of error says whether it is new or back, and how often it came of late', async ({ page }) => {
  await signIn(page, 'operator', '/kinds');
  const kind = (words: string) => page.getByRole('listitem').filter({ hasText: words });
  await expect(kind('is not known to the org').getByText('New', { exact: true })).toBeVisible();
  await expect(
    kind('is not known to the org').getByRole('img', {
      name: '14 events in the last 24 hours, 0 in the 13 days before',
    }),
  ).toBeVisible();
  await expect(kind('no account carries').getByText('Back', { exact: true })).toBeVisible();
  await expect(
    kind('no account carries').getByRole('img', { name: '1 event in the last 24 hours, 4 in the 13 days before' }),
  ).toBeVisible();
  await expect(kind('the price is missing')).toBeVisible();
  await expect(kind('the price is missing').getByText(/^(New|Back)$/)).toHaveCount(0);
});

test('the overview tells of new kinds of errors, once for each flow, and leads there', async ({ page }) => {
  await signIn(page, 'operator');
  const needs = page.getByRole('region', { name: 'Needs a person' });
  const told = needs.getByRole('listitem').filter({ hasText: 'new or back' });
  await expect(told).toHaveCount(3);
  const own = told.filter({ hasText: 'fulfilment' });
  await expect(own).toContainText('1 kind of error is new or back: warehouse … is not known to the org');
  await own.getByRole('link', { name: 'See to it' }).click();
  await expect(title(page, 'Errors by kind')).toBeVisible();
  await expect(page).toHaveURL(/\/kinds\?flow=fulfilment$/);
});

test('who has some flows is told of their errors alone', async ({ page }) => {
  await signIn(page, 'sales-operations');
  const told = page.getByRole('listitem').filter({ hasText: 'new or back' });
  await expect(told).toHaveCount(1);
  await expect(told).toContainText('is over the credit limit');
});

test('what a retry of a whole kind would do is said before it is done, and nothing is done', async ({ page }) => {
  await signIn(page, 'operator', '/kinds');
  await page.getByRole('button', { name: /What would a retry do\? warehouse/ }).click();
  const dialog = dialogOf(page);
  await expect(dialog).toContainText('14 of 14 rehearsed.');
  await expect(dialog).toContainText('9 would be done, 5 would be rejected');
  await expect(dialog).toContainText('Nothing was written.');
  const rows = dialog.getByRole('row').filter({ has: page.getByRole('link') });
  await expect(rows).toHaveCount(14);
  await expect(rows.filter({ hasText: 'warehouse 07 is not known to the org' })).toHaveCount(5);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('listitem').filter({ hasText: 'is not known to the org' })).toContainText('14 events');
  // Each leads to its story.
  await page.getByRole('button', { name: /What would a retry do\? warehouse/ }).click();
  await dialogOf(page).getByRole('link').first().click();
  await expect(title(page, /fulfilment: event/)).toBeVisible();
});

test('selected events are rehearsed, also on a phone, and what could not be is told apart', async ({ page }) => {
  await signIn(page, 'operator', '/events?flow=orders&state=ready,leased,review');
  await page.setViewportSize({ width: 390, height: 844 });
  const boxes = page.getByRole('list', { name: 'Events found' }).getByRole('checkbox');
  await expect(boxes).toHaveCount(8);
  for (let place = 0; place < 8; place++) await boxes.nth(place).click();
  await page.getByRole('button', { name: 'Rehearse', exact: true }).click();
  const dialog = dialogOf(page);
  await expect(dialog).toContainText('1 would be done, 6 would ask');
  await expect(dialog).toContainText('1 event could not be rehearsed.');
  await expect(dialog.getByRole('listitem')).toContainText('It is being run at this moment.');
  const wider = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  expect(wider, 'the page is no wider than the phone').toBe(false);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByText('8 events selected')).toBeVisible();
});

test('who may not run events again rehearses none', async ({ page }) => {
  await signIn(page, 'viewer', '/kinds');
  await expect(page.getByRole('listitem').filter({ hasText: 'is not known to the org' })).toBeVisible();
  await expect(page.getByRole('button', { name: /What would a retry do/ })).toHaveCount(0);
});
