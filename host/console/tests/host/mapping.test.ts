// A consultant's quarter of an hour with a real host: ten fields, a code table, an expression; compared, made live, seen in the files, taken back.
import type { Page } from '@playwright/test';
import { expect, picture, said, signIn, test } from './host.ts';

const left = (page: Page) => page.getByRole('region', { name: 'From Salesforce' });
const right = (page: Page) => page.getByRole('region', { name: 'To SAP Business One' });
const rule = (page: Page) => page.getByRole('region', { name: 'Rule', exact: true });
const row = (side: ReturnType<typeof left>, path: string) => side.locator(`[data-path="${path}"]`);
const field = (side: ReturnType<typeof left>, path: string) => row(side, path).locator('.field-main');
const dialogOf = (page: Page) => page.locator('ui5-dialog[open]');

test('ten fields are mapped, tried on real records, compared, made live and taken back', async ({ page }) => {
  test.setTimeout(120_000);
  await signIn(page, 'op-desk', said('OPERATOR'), '/mapping/orders');
  for (const [source, target] of [
    ['NextStep', 'U_Next'],
    ['StageName', 'U_Stage'],
    ['CloseDate', 'U_Close'],
    ['CurrencyIsoCode', 'U_Money'],
    ['Description', 'U_About'],
    ['Tandem_Carrier__c', 'U_Carrier'],
    ['Tandem_Order_Status__c', 'U_Status'],
    ['Tandem_Delivery_State__c', 'U_Delivery'],
    ['Tandem_Sync_State__c', 'U_Sync'],
  ] as const) {
    await field(left(page), source).click();
    await field(right(page), target).click();
    await expect(row(right(page), target)).toContainText(`source.${source}`);
  }

  // A code table, row by row.
  await field(right(page), 'U_Stage').click();
  await rule(page).getByRole('button', { name: 'Use a code table' }).click();
  const dialog = dialogOf(page);
  for (const [place, code, value] of [
    [1, 'Negotiation/Review', 'N'],
    [2, 'Closed Won', 'W'],
  ] as const) {
    await dialog.getByRole('button', { name: 'Add a row' }).click();
    await dialog.getByLabel(`Code ${place}`).fill(code);
    await dialog.getByLabel(`Value ${place}`).fill(value);
  }
  await dialog.getByRole('button', { name: 'Use this table' }).click();
  await expect(dialog).toBeHidden();
  await expect(row(right(page), 'U_Stage')).toContainText('tables.');

  // An expression.
  await field(right(page), 'U_Kind').click();
  const value = rule(page).getByRole('textbox', { name: 'Value' });
  await value.click();
  await page.keyboard.type('source.CurrencyIsoCode == "EUR" ? "home" : "abroad"');
  await page.keyboard.press('Escape');
  await expect(rule(page).getByRole('status')).toContainText('Reads CurrencyIsoCode');
  const preview = page.getByRole('region', { name: 'Preview' }).last();
  await expect(preview.getByRole('row', { name: /^U_Kind/ })).toContainText('home');
  await expect(preview.getByRole('row', { name: /^U_Stage/ })).toContainText('W');
  await picture(page, 'console-mapping');

  await page.getByRole('option', { name: 'Check' }).click();
  await page.getByRole('button', { name: 'Publish' }).click();
  await dialog.getByRole('textbox', { name: 'What was changed' }).fill('ten fields');
  await dialog.getByRole('button', { name: 'Check' }).click();
  await dialog.getByRole('button', { name: 'Compare over past events' }).click();
  await expect(dialog.getByRole('row', { name: /^U_Kind/ }).first()).toBeVisible();
  await picture(page, 'console-publish');
  await dialog.getByRole('button', { name: 'Make live' }).click();
  await expect(dialog).toContainText('orders.mapping.toml');
  await dialog.getByRole('link', { name: /To release/ }).click();
  await expect(page.getByText('ten fields').first()).toBeVisible();
  await picture(page, 'console-release');
  await page.goto('/flows/orders');
  await picture(page, 'console-flow');
  await page
    .getByRole('button', { name: /Roll back/ })
    .first()
    .click();
  await dialogOf(page)
    .getByRole('button', { name: /Roll back/ })
    .click();
  await expect(dialogOf(page)).toBeHidden();
  await expect(page.getByRole('row').filter({ hasText: 'Live' }).first()).toBeVisible();
});

test('a plugin that is dropped becomes a draft, and a viewer may neither', async ({ page }) => {
  await signIn(page, 'boss', said('ADMIN'), '/flows/orders');
  await page.locator('input[type=file]').setInputFiles(said('PLUGIN'));
  await expect(page.getByText(/rights? that nobody granted yet/).first()).toBeVisible();
  await picture(page, 'console-grant');
});

test('who may only look sees mappings and releases and nothing to change them by', async ({ page }) => {
  await signIn(page, 'look-only', said('VIEWER'), '/mapping/orders');
  await expect(row(right(page), 'NumAtCard')).toContainText('source.Tandem_PO_Number__c');
  await expect(page.getByRole('button', { name: 'Publish' })).toHaveCount(0);
  await page.goto('/flows/orders');
  await expect(page.getByRole('button', { name: /Roll back|Choose a file/ })).toHaveCount(0);
});
