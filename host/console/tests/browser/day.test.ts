// An operator's day.
import { dialogOf, expect, PASSWORD, problem, signIn, test, title } from './console.ts';

test('a wrong password says what is wrong and what to do', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('textbox', { name: 'Name' }).fill('admin');
  await page.getByRole('textbox', { name: 'Password' }).fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(problem(page)).toContainText('Name or password is wrong. Try again');
});

test('who signs in elsewhere comes back to where they wanted to go, and has no password here', async ({ page }) => {
  await page.goto('/kinds?flow=orders');
  await page.getByRole('button', { name: 'Continue with single sign-on' }).click();
  await expect(title(page, 'Errors by kind')).toBeVisible();
  await expect(page).toHaveURL(/\/kinds\?flow=orders$/);
  await page.goto('/account');
  await expect(page.getByRole('region', { name: 'Sessions' })).toBeVisible();
  await expect(page.getByRole('textbox')).toHaveCount(0);
});

for (const [language, with_, told] of [
  [
    'en-GB',
    'Continue with the company',
    'No group of ada lets them in. Groups: staff. Any of these would do: it, ops.',
  ],
  [
    'de-DE',
    'Weiter mit the company',
    'Keine Gruppe von ada gewährt Zugang. Gruppen: staff. Jede von diesen würde genügen: it, ops.',
  ],
] as const) {
  test.describe(language, () => {
    test.use({ locale: language });
    test('who is refused elsewhere reads why, and where passwords are closed there is no field for one', async ({
      page,
    }) => {
      const refused = { why: 'no-role', detail: 'ada', has: ['staff'], needs: ['it', 'ops'], error: '', mend: '' };
      await page.route('**/session/ways', (route) =>
        route.fulfill({ json: { password: false, oidc: { name: 'the company' }, refused } }),
      );
      await page.goto('/');
      await expect(problem(page)).toContainText(told);
      await expect(page.getByRole('button', { name: with_ })).toBeVisible();
      await expect(page.getByRole('textbox')).toHaveCount(0);
    });
  });
}

test('whoever is not signed in comes back to where they wanted to go', async ({ page }) => {
  await signIn(page, 'operator', '/kinds?flow=orders');
  await expect(title(page, 'Errors by kind')).toBeVisible();
  await expect(page).toHaveURL(/\/kinds\?flow=orders$/);
});

test('the overview says first what needs a person, and leads there', async ({ page }) => {
  await signIn(page, 'operator');
  await expect(page.getByText('last backup')).toBeVisible();
  const needs = page.getByRole('region', { name: 'Needs a person' });
  await expect(needs.getByRole('listitem').first()).toContainText('Held');
  await needs
    .getByRole('listitem')
    .filter({ hasText: '6 questions wait' })
    .getByRole('link', { name: 'See to it' })
    .click();
  await expect(title(page, 'Reviews')).toBeVisible();
  await expect(page).toHaveURL(/flow=orders/);
});

test('what a call would write is shown field by field before anybody approves it', async ({ page }) => {
  await signIn(page, 'operator', '/reviews?flow=credit');
  await page
    .getByRole('link', { name: /credit_change-limit/ })
    .first()
    .click();
  const plan = page.getByRole('region', { name: 'What it would write' });
  await expect(plan).toContainText("PATCH /BusinessPartners('C00042')");
  await expect(plan.locator('del')).toHaveText('50000');
  await expect(plan.locator('ins')).toHaveText('60000');
  await expect(plan.getByText('C00042, CardName Customer 42')).toBeVisible();
  await expect(plan).toContainText('It waits for that until');
  await expect(page.getByText('Do it, as it was rehearsed')).toBeVisible();

  // What is asked for may be changed: that is rehearsed, and asked about anew.
  await plan.getByRole('button', { name: 'Change it …' }).click();
  const dialog = dialogOf(page);
  const input = dialog.getByRole('textbox');
  const rehearse = dialog.getByRole('button', { name: 'Rehearse it' });
  await expect(rehearse).toBeDisabled();
  await input.fill('{ "card_code": ');
  await expect(dialog).toContainText('This is no JSON object');
  await input.fill('{ "card_code": "C00042" }');
  await rehearse.click();
  await expect(dialog).toContainText('"credit_limit" is a required property');
  await input.fill('{ "card_code": "C00042", "credit_limit": 55000 }');
  await rehearse.click();
  await expect(plan.locator('ins')).toHaveText('55000');
  await expect(plan).toContainText('Changed by');
});

test('an agent is asked, and says how it came to its answer', async ({ page }) => {
  await signIn(page, 'sales-operations', '/agents');
  const desk = page.getByRole('region', { name: 'order-desk' });
  await expect(desk).toContainText('12 of 500 calls');
  await expect(page.getByRole('region', { name: 'review-assistant' })).toContainText('31 of them as proposed (86 %)');
  await desk.getByRole('textbox', { name: 'Your question' }).fill('When does order 10099 leave?');
  await desk.getByRole('button', { name: 'Ask order-desk' }).click();
  await expect(desk.getByRole('listitem').first()).toContainText('It is packed, and leaves today.');
  // Its steps are open at once, and close again.
  await expect(page).toHaveURL(/run=30003/);
  await expect(desk.getByRole('list', { name: 'Steps of run 30003' })).toContainText('orders_orders-of');
  await desk.getByRole('button', { name: 'Hide the steps: 30003' }).click();
  await expect(desk.getByRole('list', { name: 'Steps of run 30003' })).toBeHidden();
});

test('a review is compared, rehearsed and answered, and the next one is shown', async ({ page }) => {
  await signIn(page, 'sales-operations', '/reviews');
  await page.getByRole('link', { name: /Maxi-Teq GmbH may be the same/ }).click();
  const beside = page.getByRole('region', { name: 'Side by side' }).first();
  await expect(beside.getByRole('columnheader', { name: /Candidate 2/ })).toContainText('linked with');
  await expect(beside.locator('mark').filter({ hasText: /^Maxi-Teq$/ })).toBeVisible();

  await page.getByRole('button', { name: 'What would it do? link with C20500' }).click();
  const answers = page.getByRole('region', { name: 'Answers' });
  await expect(answers).toContainText('Nothing was written');
  await expect(answers.getByRole('row', { name: /Phone1/ })).toContainText('0621 55501');

  await page.getByRole('button', { name: 'Answer with “link with C20500”' }).click();
  const dialog = dialogOf(page);
  await expect(dialog).toContainText('1 question is answered with “link with C20500”');
  await dialog.getByRole('button', { name: 'Give this answer' }).click();
  await expect(dialog).toBeHidden();
  await expect(title(page, /Question \d+/)).toBeVisible();
  await page.getByRole('link', { name: 'All questions' }).click();
  await expect(page.getByRole('link', { name: /Parameter Technology/ })).toBeVisible();
  await expect(page.getByRole('link', { name: /Maxi-Teq GmbH/ })).toHaveCount(0);
});

test('questions that are alike are answered together, after it was said how many', async ({ page }) => {
  await signIn(page, 'sales-operations', '/reviews');
  const rows = page.getByRole('listitem').filter({ hasText: 'over the credit limit' });
  await expect(rows).toHaveCount(4);
  for (let place = 0; place < 3; place++) await rows.nth(place).getByRole('checkbox').click();
  await page.getByRole('toolbar').getByRole('button', { name: 'send anyway' }).click();
  const dialog = dialogOf(page);
  await expect(dialog).toContainText('3 questions are answered');
  await dialog.getByRole('button', { name: 'Answer 3 questions' }).click();
  await expect(rows).toHaveCount(1);
});

test('a question gets a person, a day and a note, which stay', async ({ page }) => {
  await signIn(page, 'sales-operations', '/reviews');
  await page.getByRole('link', { name: /Microchips/ }).click();
  await page.getByRole('button', { name: 'To me' }).click();
  await page.getByLabel('Due').fill('2027-01-15');
  await page.getByRole('textbox', { name: 'Note' }).fill('Ask for a down payment.');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled();
  await page.goto('/reviews?assignee=sales-operations');
  await expect(page.getByRole('listitem').filter({ hasText: 'Microchips' })).toContainText('Ask for a down payment.');
});

test('an event is found by the number of its order, and its story read down to a request', async ({ page }) => {
  await signIn(page, 'operator', '/events');
  await page.getByRole('textbox', { name: /Record, number or words/ }).fill('1042');
  await expect(page).toHaveURL(/q=1042/);
  await page.getByRole('row').filter({ hasText: 'order 1042 was made' }).getByRole('link').click();
  await expect(page.getByText('Attempt 3')).toBeVisible();
  await expect(page.getByText('whether the order was made is not known')).toBeVisible();
  await page.getByRole('button', { name: /POST b1/ }).click();
  await expect(page.getByRole('region', { name: 'Request' })).toContainText('"CardCode": "C20000"');
  await page.getByRole('link', { name: /by event \d+ of accounts/ }).click();
  await expect(title(page, /accounts: event/)).toBeVisible();
});

test('an event is rehearsed with an edited payload, and what would be different is shown', async ({ page }) => {
  await signIn(page, 'operator', '/events?q=1042&flow=orders');
  await page.getByRole('row').filter({ hasText: 'order 1042 was made' }).getByRole('link').click();
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await expect(page.getByText('The same would be written as in the last attempt.')).toBeVisible();

  await page.getByRole('checkbox', { name: 'Edit what it said' }).click();
  const payload = page.getByRole('textbox', { name: 'What it said' });
  await payload.fill('{ "Amount": ');
  await expect(page.getByRole('button', { name: 'Rehearse' })).toBeDisabled();
  await payload.fill('{ "Amount": 99 }');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  const different = page.getByRole('region', { name: 'Different from the last attempt' });
  await expect(different.getByRole('row', { name: /Comments/ })).toContainText('Amount 99');
});

test('a search is shared as a link, saved as a view, opened again and deleted', async ({ page }) => {
  await signIn(page, 'operator', '/events?state=rejected&flow=fulfilment');
  await expect(page.getByRole('row')).toHaveCount(15);
  await page.getByRole('button', { name: 'Save this view' }).click();
  await dialogOf(page).getByRole('textbox', { name: 'Name' }).fill('Deliveries in trouble');
  await dialogOf(page).getByRole('button', { name: 'Save' }).click();
  await expect(dialogOf(page)).toBeHidden();
  await page.goto('/events');
  await page.getByRole('combobox', { name: 'Saved view' }).click();
  await page.getByRole('option', { name: /Deliveries in trouble/ }).click();
  await expect(page).toHaveURL(/flow=fulfilment&state=rejected/);
  await page.getByRole('button', { name: 'Delete this view' }).click();
  await dialogOf(page).getByRole('button', { name: 'Delete this view' }).click();
  await expect(page.getByRole('button', { name: 'Save this view' })).toBeVisible();
});

test('selected events are ignored with a reason, and what failed is told apart', async ({ page }) => {
  await signIn(page, 'operator', '/events?flow=orders&state=ready,leased,waiting');
  await page.locator('ui5-table-header-row ui5-checkbox').click();
  await expect(page.getByText('3 events selected')).toBeVisible();
  await page.getByRole('button', { name: 'Ignore', exact: true }).click();
  const dialog = dialogOf(page);
  await expect(dialog.getByRole('button', { name: 'Ignore' })).toBeDisabled();
  await dialog.getByRole('textbox', { name: 'Reason' }).fill('entered by hand in B1');
  await dialog.getByRole('button', { name: 'Ignore' }).click();
  await expect(dialog).toContainText('2 of 3 done.');
  await expect(dialog.getByRole('listitem')).toContainText('It is being run at this moment.');
});

test('a whole kind of error is retried, after it was said how many', async ({ page }) => {
  await signIn(page, 'operator', '/kinds');
  await page.getByRole('button', { name: /Retry all: warehouse/ }).click();
  const dialog = dialogOf(page);
  await expect(dialog).toContainText('14 events of this kind are run again');
  await dialog.getByRole('button', { name: 'Retry 14 events' }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('button', { name: /Retry all: warehouse/ })).toHaveCount(0);
});

test('a field is explained in a sentence, with its evidence one click away', async ({ page }) => {
  await signIn(page, 'operator', '/explain');
  await page.getByRole('textbox', { name: 'Record' }).fill('1042');
  await page.getByRole('textbox', { name: 'Field' }).fill('CardCode');
  await page.keyboard.press('Enter');
  const now = page.getByRole('region', { name: 'Written last' });
  await expect(now).toContainText('CardCode became C20000 by the rule');
  await now.getByRole('link', { name: /evidence/ }).click();
  await expect(title(page, /orders: event/)).toBeVisible();
});

test('what both systems hold now stands beside what was written, or why it does not', async ({ page }) => {
  await signIn(page, 'operator', '/explain?record=1042');
  const now = page.getByRole('region', { name: 'Now', exact: true });
  const order = now.getByRole('region', { name: 'SAP Business One Orders 1042' });
  const opportunity = now.getByRole('region', { name: /^Salesforce Opportunity/ });
  await expect(order).toContainText('CardCode');
  const row = (name: string) => order.locator('dl > div').filter({ hasText: name });
  await expect(row('CardCode')).toContainText('As written');
  await expect(row('Comments')).toContainText('Ring first');
  await expect(row('Comments')).toContainText('Changed since, not by Tandem');
  await expect(row('Comments')).toContainText('Deliver to gate 2 was written last');
  await expect(row('Comments')).toContainText('Differs');
  // Beside each other, and below each other on a phone.
  const boxes = async () => [await opportunity.boundingBox(), await order.boundingBox()];
  const [left, right] = await boxes();
  expect([left?.y, (right?.x ?? 0) > (left?.x ?? 0)]).toEqual([right?.y, true]);
  await page.setViewportSize({ width: 390, height: 900 });
  await expect.poll(async () => (await boxes())[1]?.x).toBe((await boxes())[0]?.x);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);

  // One field with what it goes with, from the other side.
  await page.goto('/explain?record=1042&field=PO_Number__c');
  await expect(order.locator('dt')).toHaveText(['NumAtCard']);
  await expect(opportunity.locator('dt')).toHaveText(['PO_Number__c']);
  await expect(order).toContainText('Same');
  // What is gone, and what could not be read.
  await page.goto('/explain?record=C20000');
  await expect(now.getByRole('region', { name: /^Salesforce Account/ })).toContainText('Not found any more');
  await expect(now.getByRole('region', { name: /C20000/ })).toContainText('the server does not answer');
});

test('what both systems hold is read after the rest and fails alone', async ({ page }) => {
  let answer = () => {};
  const asked = new Promise<void>((done) => (answer = done));
  await page.route('**/api/v1/explain/now?*', async (route) => {
    await asked;
    await route.fulfill({ status: 500, json: { error: 'It broke.', mend: 'Look into the log.' } });
  });
  await signIn(page, 'operator', '/explain?record=1042&field=CardCode');
  const now = page.getByRole('region', { name: 'Now', exact: true });
  await expect(page.getByRole('region', { name: 'Written last' })).toContainText('CardCode became C20000');
  await expect(now).toContainText('One moment');
  answer();
  await expect(now.getByRole('alert')).toContainText('It broke. Look into the log.');
  await expect(page.getByRole('region', { name: 'Written last' })).toBeVisible();
  await page.unroute('**/api/v1/explain/now?*');
  await now.getByRole('button', { name: 'Read again' }).click();
  await expect(now).toContainText('As written');
});

test('a viewer sees what is, and may do nothing', async ({ page }) => {
  await signIn(page, 'viewer', '/events?state=rejected');
  await expect(page.getByRole('table').or(page.getByRole('grid')).first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Retry' })).toHaveCount(0);
  await expect(page.getByRole('navigation').getByText('Access')).toHaveCount(0);
  await page.goto('/access');
  await expect(page.getByText('It takes the role admin')).toBeVisible();
  await page.goto('/reviews');
  await page.getByRole('link', { name: /Maxi-Teq GmbH/ }).click();
  await expect(page.getByText('It takes the role reviewer')).toBeVisible();
  await expect(page.getByRole('button', { name: /Answer with/ })).toHaveCount(0);
  await page.goto('/events?q=1042&flow=orders');
  await page.getByRole('row').filter({ hasText: 'order 1042 was made' }).getByRole('link').click();
  await expect(page.getByText('Personal data is hidden from your role')).toBeVisible();
});

test("a token's secret is shown once", async ({ page }) => {
  await signIn(page, 'admin', '/access?tab=tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  await dialogOf(page).getByRole('textbox', { name: 'Name' }).fill('reports');
  await dialogOf(page).getByRole('button', { name: 'Make token' }).click();
  await expect(page.getByText(/^tandem_/)).toBeVisible();
  await page.reload();
  await expect(page.getByRole('row').filter({ hasText: 'reports' })).toBeVisible();
  await expect(page.getByText(/^tandem_/)).toHaveCount(0);
});

test('an account is made, and too short a password is refused beside its field', async ({ page }) => {
  await signIn(page, 'admin', '/access');
  await page.getByRole('button', { name: 'New account' }).click();
  const dialog = dialogOf(page);
  await dialog.getByRole('textbox', { name: 'Name' }).fill('warehouse');
  await dialog.getByRole('textbox', { name: 'Password' }).fill('short');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Take 12 letters at least.');
  await dialog.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'warehouse' })).toBeVisible();
});

test('what another person does is seen within two seconds, without a look from here', async ({ page, browser }) => {
  await signIn(page, 'operator', '/reviews');
  await expect(page.getByRole('link', { name: /Norm Thompson/ })).toBeVisible();
  const context = await browser.newContext();
  const { csrf } = await (
    await context.request.post('/api/v1/session', { data: { name: 'admin', password: PASSWORD } })
  ).json();
  const { reviews } = await (await context.request.get('/api/v1/reviews?q=Norm')).json();
  await context.request.post('/api/v1/reviews/answer', {
    headers: { 'X-Tandem-CSRF': csrf },
    data: { ids: [reviews[0].event.id], choice: 'ignore' },
  });
  await expect(page.getByRole('link', { name: /Norm Thompson/ })).toHaveCount(0, { timeout: 2_000 });
  await context.close();
});

test('a stream that breaks is said', async ({ page }) => {
  await page.route('**/api/v1/live', (route) => route.abort());
  await signIn(page, 'operator');
  await expect(page.getByText('Not live')).toBeVisible();
});

test('a session that ended leads to the sign-in, and back', async ({ page, context }) => {
  await signIn(page, 'operator', '/kinds');
  await context.clearCookies();
  await page.goto('/events?state=review');
  await expect(title(page, 'Sign in to Tandem')).toBeVisible();
  await page.getByRole('textbox', { name: 'Name' }).fill('operator');
  await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(title(page, 'Events')).toBeVisible();
  await expect(page).toHaveURL(/state=review/);
});

test('language and look are switched, and kept', async ({ page }) => {
  await signIn(page, 'operator');
  await page.locator('[data-ui5-stable="profile"]').click();
  await page.getByRole('option', { name: 'Deutsch' }).click();
  await expect(title(page, 'Übersicht')).toBeVisible();
  await page.getByRole('option', { name: 'Dunkel' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-look', 'dark');
  await page.reload();
  await expect(title(page, 'Übersicht')).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('data-look', 'dark');
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
});
