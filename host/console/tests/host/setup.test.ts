// From a host that knows nothing to a loaded flow, with a real host and both simulators.
import type { Page } from '@playwright/test';
import { expect, picture, said, signIn, test } from './host.ts';

const step = (page: Page, name: string) => page.getByRole('group', { name, exact: true });
const standing = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Steps of the set-up' }).getByRole('listitem').filter({ hasText: name });
const dialogOf = (page: Page) => page.locator('ui5-dialog[open]');

test('set-up from nothing', async ({ page }) => {
  test.setTimeout(120_000);
  await signIn(page, 'admin', said('ADMIN'));
  await page.getByRole('button', { name: 'Begin the set-up' }).click();

  const b1 = step(page, 'SAP Business One');
  await b1.getByRole('textbox', { name: 'Address of the Service Layer' }).fill(`${said('B1')}/b1s/v2`);
  await b1.getByRole('textbox', { name: 'Company database' }).fill('SBODEMO');
  await b1.getByRole('textbox', { name: 'User' }).fill('tandem');
  await b1.getByRole('textbox', { name: 'Password' }).fill('tandem');
  await b1.getByRole('button', { name: 'Check' }).click();
  await expect(b1.getByRole('button', { name: 'Trust this certificate' })).toBeVisible();
  await picture(page, 'console-setup-certificate');
  await b1.getByRole('button', { name: 'Trust this certificate' }).click();
  await expect(b1.getByText('logged in to B1')).toBeVisible();
  await b1.getByRole('button', { name: 'Save' }).click();
  await expect(standing(page, 'SAP Business One')).toContainText('Done', { timeout: 30_000 });
  await b1.getByRole('button', { name: 'Make them now' }).click();
  await dialogOf(page).getByRole('button', { name: 'Make them now' }).click();
  await expect(b1.getByRole('list', { name: 'User table and user fields' })).toContainText('U_SF_LineId');
  await picture(page, 'console-setup-b1');

  await page.getByRole('button', { name: 'Next: Salesforce' }).click();
  const org = step(page, 'Salesforce');
  await org.getByRole('textbox', { name: 'My Domain' }).fill(said('SALESFORCE'));
  await org.getByRole('textbox', { name: 'Consumer key' }).fill('tandem');
  await org.getByRole('textbox', { name: 'Client secret' }).fill('tandem-secret');
  await org.getByRole('button', { name: 'More' }).click();
  await org.getByRole('textbox', { name: 'Pub/Sub API endpoint' }).fill(said('PUBSUB'));
  await org.getByRole('button', { name: 'Check' }).click();
  await expect(org.getByText('can be subscribed to').first()).toBeVisible({ timeout: 30_000 });
  await org.getByRole('button', { name: 'Save' }).click();
  await expect(standing(page, 'Salesforce')).toContainText('Done', { timeout: 30_000 });

  await page.getByRole('button', { name: 'Next: Flows' }).click();
  const flows = step(page, 'Flows');
  await flows
    .getByRole('listitem')
    .filter({ hasText: 'accounts 0.1.0' })
    .getByRole('button', { name: /^Switch on/ })
    .click();
  await dialogOf(page).getByRole('button', { name: 'Switch on' }).click();
  await expect(dialogOf(page)).toBeHidden();
  const flow = flows.getByRole('region', { name: 'Flow accounts' });
  await expect(flow).toContainText('Asks for rights', { timeout: 30_000 });
  await flow.getByRole('button', { name: 'Allow all of this: accounts' }).click();
  await picture(page, 'console-setup-rights');
  await dialogOf(page)
    .getByRole('button', { name: /^Grant \d+ rights/ })
    .click();
  await expect(dialogOf(page)).toBeHidden();
  await expect(flow).toContainText('Ready to go live', { timeout: 30_000 });

  await page.getByRole('button', { name: 'Next: First load' }).click();
  const accounts = step(page, 'First load').getByRole('region', { name: 'accounts', exact: true });
  await accounts.getByRole('button', { name: 'Rehearse' }).click();
  await expect(accounts.getByRole('region', { name: 'Rehearsal' })).toContainText('Rehearsed', { timeout: 60_000 });
  await picture(page, 'console-setup-rehearsal');
  await page.getByRole('button', { name: 'Make live: accounts' }).click();
  await dialogOf(page).getByRole('button', { name: 'Make live' }).click();
  await expect(dialogOf(page)).toBeHidden();
  await accounts.getByRole('button', { name: 'Load', exact: true }).click();
  await dialogOf(page).getByRole('button', { name: 'Load' }).click();
  await expect(dialogOf(page)).toBeHidden();
  // Whoever leaves and comes back sees where it stands.
  await page.goto('/');
  await page.goto('/setup?step=loads');
  const loading = accounts.getByRole('region', { name: 'Progress' });
  await expect(loading).toContainText('Loaded', { timeout: 60_000 });
  await picture(page, 'console-setup-loaded');
  await page.getByRole('button', { name: 'Next: What runs now' }).click();
  await expect(step(page, 'What runs now').getByRole('link', { name: 'accounts' })).toBeVisible();
});
