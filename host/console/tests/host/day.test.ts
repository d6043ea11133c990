// A day with a real host and both simulators behind it: what the pages show is what there is, and what is done there is done.
import { expect, picture, said, signIn, test } from './host.ts';

test('an operator sees what needs a person, reads a story, and answers a question', async ({ page }) => {
  await signIn(page, 'op-desk', said('OPERATOR'));
  const needs = page.getByRole('region', { name: 'Needs a person' });
  await expect(needs).toContainText('1 question');
  await picture(page, 'console-overview');

  await page.goto(`/events?q=${said('NUMBER')}`);
  await picture(page, 'console-events');
  await page
    .getByRole('row')
    .filter({ hasText: `order ${said('NUMBER')} created` })
    .getByRole('link')
    .click();
  await expect(page.getByText('Attempt 1')).toBeVisible();
  await page.getByRole('button', { name: /calls/ }).first().click();
  await expect(page.getByText('POST b1').first()).toBeVisible();
  await picture(page, 'console-story');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await expect(page.getByText('Nothing was written')).toBeVisible();

  await page.goto(`/explain?record=${said('GOOD')}&field=Tandem_Order_Number__c`);
  const now = page.getByRole('region', { name: 'Written last' });
  await expect(now).toContainText(`Tandem_Order_Number__c became ${said('NUMBER')}`);
  await picture(page, 'console-explain');

  await page.goto('/kinds');
  await expect(page.getByRole('button', { name: /Retry all/ })).toBeVisible();
  await picture(page, 'console-kinds');

  await page.goto('/reviews');
  await page.getByRole('listitem').filter({ hasText: 'NOBODY' }).getByRole('link').first().click();
  await page.getByRole('button', { name: 'What would it do? retry' }).click();
  const answers = page.getByRole('region', { name: 'Answers' });
  await expect(answers).toContainText('Nothing was written');
  await expect(answers).toContainText('POST /Orders');
  await picture(page, 'console-review');
  await page.getByRole('button', { name: 'Answer with “retry”' }).click();
  const dialog = page.locator('ui5-dialog[open]');
  await dialog.getByRole('button', { name: 'Give this answer' }).click();
  await expect(dialog).toBeHidden();
  await page.goto('/reviews');
  await expect(page.getByRole('listitem').filter({ hasText: 'NOBODY' })).toHaveCount(0);
});

test('a viewer sees that there is something and not what, and may do nothing', async ({ page }) => {
  await signIn(page, 'look-only', said('VIEWER'), `/events?q=${said('NUMBER')}`);
  await expect(page.getByRole('button', { name: 'Retry' })).toHaveCount(0);
  await page
    .getByRole('row')
    .filter({ hasText: `order ${said('NUMBER')} created` })
    .getByRole('link')
    .click();
  await expect(page.getByText('Personal data is hidden from your role')).toBeVisible();
  await expect(page.getByRole('navigation').getByText('Access')).toHaveCount(0);
});

test('an admin sees who may what, and who did what', async ({ page }) => {
  await signIn(page, 'boss', said('ADMIN'), '/access');
  await expect(page.getByText('op-desk')).toBeVisible();
  await picture(page, 'console-access');
  await page.goto('/access?tab=audit');
  await expect(page.getByText('review.answer').first()).toBeVisible();
  await picture(page, 'console-audit');
});
