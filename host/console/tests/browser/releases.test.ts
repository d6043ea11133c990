// A flow: its releases compared, granted, made live, taken back; settings and plugins become drafts; its first load.
import type { Page } from '@playwright/test';
import { clock, dialogOf, expect, PASSWORD, problem, signIn, test, title } from './console.ts';

/** Opens the release of orders that has this standing. */
async function open(page: Page, standing: string): Promise<void> {
  await page.goto('/flows/orders');
  await page.getByRole('row').filter({ hasText: standing }).getByRole('link').first().click();
  await expect(title(page, /orders: release/)).toBeVisible();
}

test('a release that waits is compared, granted, made live with a reason, and taken back', async ({ page }) => {
  await signIn(page, 'admin', '/flows');
  const card = page.getByRole('listitem').filter({ hasText: 'Won opportunities' });
  await expect(card).toContainText('orders 1.4.0');
  await expect(card).toContainText('first release');
  await expect(card).toContainText('It asks for more');
  await open(page, 'Waiting');

  const differs = page.getByRole('region', { name: 'Different from the live release' });
  await expect(differs.getByRole('row', { name: /approval_poll_minutes/ })).toContainText('15');
  await expect(differs.locator('.gone')).toContainText('− Comments = "source.Tandem_Order_Notes__c"');
  await expect(differs.locator('.new')).toContainText('+ Comments = "source.Description"');
  await expect(differs).toContainText('b1 POST /Deliveries');

  await clock(page, 'stands');
  await page.getByRole('button', { name: 'Compare over the last 1,000 events' }).click();
  await expect(page.getByText(/of 412 runs compared/)).toBeVisible();
  await clock(page, 'runs');
  const compared = page.getByRole('region', { name: 'What would be different' });
  await expect(compared.getByRole('row', { name: /Comments/ })).toContainText('180');
  await expect(
    compared
      .getByRole('row', { name: /Comments/ })
      .getByRole('link')
      .first(),
  ).toHaveText(/^#\d+$/);
  await expect(compared).toContainText('1 event would end otherwise');
  await expect(compared).toContainText('It reads GET b1 /PriceLists');

  await expect(page.getByRole('button', { name: 'Make live' })).toBeDisabled();
  await page.getByRole('button', { name: 'Grant 2 rights' }).click();
  await expect(dialogOf(page)).toContainText('makes the delivery of an order that is picked up');
  await dialogOf(page).getByRole('button', { name: 'Grant 2 rights' }).click();
  await expect(dialogOf(page)).toBeHidden();

  await page.getByRole('button', { name: 'Make live' }).click();
  const go = dialogOf(page).getByRole('button', { name: 'Make live' });
  await expect(go).toBeDisabled();
  await dialogOf(page).getByRole('textbox', { name: 'Reason' }).fill('deliveries for pick-up');
  await go.click();
  await expect(page.getByText(/These files now say the same: orders.mapping.toml/)).toBeVisible();
  await expect(page.locator('.page-title')).toContainText('Live');

  await page.getByRole('button', { name: 'Roll back' }).click();
  await expect(dialogOf(page)).toContainText('the release that was live before');
  await dialogOf(page)
    .getByRole('button', { name: /Roll back to [0-9a-f]{10}/ })
    .click();
  await expect(dialogOf(page)).toBeHidden();
  await expect(page.locator('.page-title')).toContainText('Taken back');
});

test('who was faster is said, and nothing is overwritten', async ({ page }) => {
  await signIn(page, 'operator');
  await open(page, 'Earlier');
  await page.route('**/activate', (route) =>
    route.continue({ postData: JSON.stringify({ why: 'back', instead_of: 'another' }) }),
  );
  await page.getByRole('button', { name: 'Make live' }).click();
  await dialogOf(page).getByRole('textbox', { name: 'Reason' }).fill('back');
  await dialogOf(page).getByRole('button', { name: 'Make live' }).click();
  await expect(problem(page)).toContainText('Another release was made live meanwhile.');
});

test('settings are changed in a form, kept as a draft, and what is wrong is said', async ({ page }) => {
  await signIn(page, 'operator', '/flows/orders?tab=settings');
  const keep = page.getByRole('button', { name: 'Keep as a draft' });
  await expect(keep).toBeDisabled();
  const minutes = page.getByRole('textbox', { name: 'approval_poll_minutes' });
  await minutes.fill('soon');
  await expect(keep).toBeDisabled();
  await minutes.fill('0');
  await keep.click();
  await expect(problem(page)).toContainText('must be 1 or more');
  await minutes.fill('30');
  await page.getByRole('checkbox', { name: 'credit_check' }).click();
  await page.getByRole('combobox', { name: 'deleted' }).click();
  await page.getByRole('option', { name: 'cancel', exact: true }).click();
  await page.getByRole('button', { name: 'Add a row' }).click();
  await page.getByRole('textbox', { name: 'Name 2' }).fill('£');
  await page.getByRole('textbox', { name: 'Value 2' }).fill('GBP');
  await page.getByRole('textbox', { name: 'freight' }).fill('[{ "from": 10 }]');
  await keep.click();
  const differs = page.getByRole('region', { name: 'Different from the live release' });
  await expect(differs.getByRole('row', { name: /approval_poll_minutes/ })).toContainText('30');
  await expect(differs.getByRole('row', { name: /credit_check/ })).toContainText('false');
  await expect(differs.getByRole('row', { name: /Setting deleted/ })).toContainText('cancel');
  await expect(differs.getByRole('row', { name: /currencies/ })).toContainText('"£":"GBP"');
  await expect(differs.getByRole('row', { name: /freight/ })).toContainText('"from":10');
  await expect(page.locator('.page-title')).toContainText('Draft');
});

test("a plugin's file becomes a draft with its new rights in red; another file is refused", async ({ page }) => {
  await signIn(page, 'admin', '/flows/orders');
  const file = page.locator('input[type=file]');
  await file.setInputFiles({ name: 'notes.wasm', mimeType: 'application/wasm', buffer: Buffer.from('notes') });
  await expect(problem(page)).toContainText('notes.wasm is no WebAssembly component.');
  await file.setInputFiles({ name: 'orders.wasm', mimeType: 'application/wasm', buffer: Buffer.from('\0asm\x01') });
  await expect(title(page, /orders: release/)).toBeVisible();
  await expect(page.locator('.new-right')).toContainText('GET /PriceLists');
  await expect(page.getByText('It asks for 1 right that nobody granted yet.')).toBeVisible();
});

test('a viewer sees releases and settings, and is shown no act', async ({ page }) => {
  await signIn(page, 'viewer', '/flows/orders');
  await expect(page.getByRole('row').filter({ hasText: 'Waiting' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Roll back' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Choose a file' })).toHaveCount(0);
  await open(page, 'Waiting');
  await expect(page.getByRole('region', { name: 'Different from the live release' })).toBeVisible();
  for (const name of [/Make live/, /Grant/, /Compare/]) {
    await expect(page.getByRole('main').getByRole('button', { name })).toHaveCount(0);
  }
  await page.goto('/flows/orders?tab=settings');
  await expect(page.getByText('Your role may read, not change.')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'warehouse' })).toBeDisabled();
});

const firstLoad = (page: Page) => page.getByRole('region', { name: 'First load' });
const progress = (page: Page) => firstLoad(page).getByRole('region', { name: 'Progress' });

test("an operator rehearses, begins, stops and goes on with a flow's first load", async ({ page }) => {
  await signIn(page, 'operator', '/flows/catalogue');
  const card = firstLoad(page);
  await expect(card).toContainText('goes through b1.Items');
  await expect(card.getByRole('button', { name: 'Rehearse' })).toHaveCount(0);
  await card.getByRole('button', { name: 'Not loaded yet' }).click();
  await card.getByRole('button', { name: 'Rehearse' }).click();
  const rehearsal = card.getByRole('region', { name: 'Rehearsal' });
  await expect(rehearsal).toContainText('Rehearsed: 1,240 of 1,240 records looked at');
  await expect(rehearsal.getByRole('row', { name: /make Account/ })).toContainText('310');
  await expect(rehearsal).toContainText('Parameter Technology may be the same as two accounts');
  await card.getByRole('button', { name: 'Load', exact: true }).click();
  await clock(page, 'stands');
  await dialogOf(page).getByRole('button', { name: 'Load' }).click();
  await expect(progress(page)).toContainText('0 of 1,240 records done');
  await clock(page, 'pass=3000');
  await expect(progress(page)).toContainText('620 of 1,240 records done');
  await card.getByRole('button', { name: 'Stop' }).click();
  await expect(progress(page)).toContainText('Stopped');
  await clock(page, 'runs');

  // What was broken off stands open for whoever comes back.
  await page.reload();
  await expect(progress(page)).toContainText('begun by operator');
  await card.getByRole('button', { name: 'Go on' }).click();
  await expect(progress(page)).toContainText('Loaded: 1,240 of 1,240 records done', { timeout: 15_000 });
  await page.reload();
  await expect(card.getByRole('button', { name: /^Loaded/ })).toHaveAttribute('aria-expanded', 'false');

  await page.goto('/flows/orders');
  await expect(page.getByRole('region', { name: 'Releases' })).toBeVisible();
  await expect(firstLoad(page)).toHaveCount(0);
});

test('a viewer sees how far a load is, and nothing to do about it', async ({ page, browser }) => {
  await signIn(page, 'viewer', '/flows/catalogue');
  await expect(page.getByRole('region', { name: 'Releases' })).toBeVisible();
  await expect(firstLoad(page)).toHaveCount(0);

  const context = await browser.newContext();
  await context.request.post('/api/v1/session', { data: { name: 'operator', password: PASSWORD } });
  const { csrf } = await (await context.request.get('/api/v1/session')).json();
  const headers = { 'X-Tandem-CSRF': csrf };
  await clock(page, 'stands');
  expect((await context.request.post('/api/v1/flows/catalogue/load', { data: {}, headers })).ok()).toBe(true);
  await context.close();
  await page.reload();
  await expect(progress(page)).toContainText('Loading: 0 of 1,240 records done');
  await clock(page, 'runs');
  await expect(progress(page)).toContainText('Loaded: 1,240 of 1,240 records done', { timeout: 15_000 });
  await expect(progress(page).getByRole('button')).toHaveCount(0);
  await expect(firstLoad(page).getByRole('button')).toHaveCount(1); // it folds the card
});
