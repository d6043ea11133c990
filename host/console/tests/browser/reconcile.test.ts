// The proof that both sides agree: the last report in plain words, down to one difference, and one that is asked for now.
import { clock, expect, look, problem, signIn, tabTo, test, title } from './console.ts';

test('the last report says what differs and what nobody can explain, down to the record', async ({ page }) => {
  await signIn(page, 'admin', '/reconcile');
  const last = page.getByRole('region', { name: 'Last report' });
  await expect(last).toContainText('123 records differ. 1 of them nobody can explain.');
  await expect(last).toContainText('fulfilment: its plugin does not say how its records are compared');
  const rows = last.getByRole('row');
  await expect(rows.filter({ hasText: 'Won opportunities' })).toContainText('212');
  await expect(rows.filter({ hasText: 'Items' })).toContainText('830');
  await expect(page.getByRole('region', { name: 'Earlier reports' })).toContainText('Both sides agree.');

  await last.getByRole('link', { name: 'Won opportunities' }).click();
  await expect(title(page, /^Report of /)).toBeVisible();
  await expect(page).toHaveURL(/\/reconcile\/\d{8}-\d{6}-\d{3}\?flow=orders&of=orders$/);
  const orders = page.getByRole('region', { name: 'orders: Won opportunities' });
  await expect(orders).toContainText('1 sum differs');
  await expect(orders.getByRole('row').filter({ hasText: '318,720.40' })).toContainText('-41,825.99');
  const found = orders.getByRole('row');
  await expect(found.getByRole('link')).toHaveCount(5);
  await orders.getByRole('checkbox', { name: 'Only those not explained' }).click();
  await expect(found.getByRole('link')).toHaveCount(1);
  await expect(page).toHaveURL(/why=unexplained/);

  await found.getByRole('link', { name: 'Workshop equipment, second line' }).click();
  await expect(title(page, 'Workshop equipment, second line')).toBeVisible();
  const values = page.getByRole('region', { name: 'What differs' }).first();
  await expect(values.getByRole('row').filter({ hasText: 'net total EUR' })).toContainText('18540.00');
  await expect(page.getByText('nothing explains it; event')).toBeVisible();
  await expect(page.getByRole('link', { name: 'What wrote 1042, and what it holds now' })).toHaveAttribute(
    'href',
    '/explain?record=1042',
  );
  await page.getByRole('link', { name: /^Event \d+, which tells the reason/ }).click();
  await expect(title(page, /orders: event/)).toBeVisible();
  await page.goBack();
  await page.goBack();
  await expect(page.getByRole('checkbox', { name: 'Only those not explained' })).toBeChecked();
});

test('many differences come page by page, by reason and by words', async ({ page }) => {
  await signIn(page, 'operator', '/reconcile');
  await page.getByRole('link', { name: 'Customers and leads' }).click();
  const accounts = page.getByRole('region', { name: 'accounts: Customers and leads' });
  const links = accounts.getByRole('row').getByRole('link');
  await expect(links).toHaveCount(50);
  await accounts.getByRole('button', { name: 'Show more' }).click();
  await expect(links).toHaveCount(100);
  await accounts.getByRole('combobox', { name: 'Reason' }).click();
  await page.getByRole('option', { name: 'Changed, not read yet (5)' }).click();
  await expect(links).toHaveCount(5);
  await accounts.getByRole('textbox', { name: 'Record or id' }).fill('customer 30');
  await expect(links).toHaveCount(1);
  await accounts.getByRole('textbox', { name: 'Record or id' }).fill('nobody');
  await expect(accounts).toContainText('No difference matches');
  await accounts.getByRole('button', { name: 'Show all' }).click();
  await expect(links).toHaveCount(100);
});

test('both sides are compared now, with progress; it is stopped, and done once more', async ({ page }) => {
  await signIn(page, 'operator', '/reconcile');
  const now = page.getByRole('region', { name: 'Reconcile now' });
  await clock(page, 'stands');
  await now.getByRole('button', { name: 'Reconcile now' }).click();
  await expect(now).toContainText('Both sides are being compared: flow 1 of 7');
  await expect(now.getByRole('button', { name: 'Reconcile now' })).toHaveCount(0);
  await clock(page, 'pass=1200');
  await expect(now).toContainText('flow 3 of 7');
  await look(page, 'while it goes on');
  await now.getByRole('button', { name: 'Stop' }).click();
  await expect(now).toContainText('operator stopped it');
  const reports = page.getByRole('list', { name: 'Earlier reports' }).getByRole('listitem');
  await expect(reports).toHaveCount(3);
  await now.getByRole('button', { name: 'Reconcile now' }).click();
  await expect(now).toContainText('flow 1 of 7');
  await clock(page, 'pass=5000');
  await expect(reports).toHaveCount(4);
  await expect(now.getByRole('button', { name: 'Reconcile now' })).toBeVisible();
  await clock(page, 'runs');
});

test('whoever may only look is told what differs and of nobody, and begins nothing', async ({ page }) => {
  await signIn(page, 'viewer', '/reconcile');
  await expect(page.getByRole('region', { name: 'Last report' })).toContainText('1 of them nobody can explain');
  await expect(page.getByRole('button', { name: 'Reconcile now' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Won opportunities' }).click();
  await expect(page.getByText('What records say is hidden from your role.')).toBeVisible();
  await expect(page.getByText('Workshop equipment')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Page to print' })).toHaveCount(0);
});

test('whoever has some flows is told of these alone; whoever has all may file it', async ({ page }) => {
  await signIn(page, 'sales-operations', '/reconcile');
  const last = page.getByRole('region', { name: 'Last report' });
  await expect(last.getByRole('row')).toHaveCount(3);
  await expect(last).not.toContainText('fulfilment');
  await last.getByRole('link', { name: 'Open this report' }).click();
  await expect(title(page, /^Report of /)).toBeVisible();
  await expect(page.getByRole('link', { name: 'Differences (CSV)' })).toHaveCount(0);
  await page.request.delete('/api/v1/session');
  await page.context().clearCookies();
  await signIn(page, 'admin', '/reconcile');
  await page.getByRole('link', { name: 'Open this report' }).click();
  const print = page.getByRole('link', { name: 'Page to print' });
  await expect(print).toHaveAttribute('href', /\/files\/report\.html$/);
  const answer = await page.request.get((await print.getAttribute('href')) ?? '');
  expect(answer.headers()['content-type']).toContain('text/html');
});

test('a host that has not compared yet says so, and a report that is gone, too', async ({ page }) => {
  await page.request.get('/mock/reset?empty');
  await signIn(page, 'admin', '/reconcile');
  await expect(page.getByText('Not compared yet')).toBeVisible();
  await look(page, 'nothing compared');
  await page.goto('/reconcile/20200101-000000-000');
  await expect(problem(page)).toContainText('There is no report');
});

for (const width of [1440, 390]) {
  test(`axe finds nothing serious in a report and in a difference, ${width} wide, and no table is lost`, async ({
    page,
  }) => {
    await signIn(page, 'admin', '/reconcile');
    await page.setViewportSize({ width, height: 900 });
    await look(page, 'reports');
    await page.getByRole('link', { name: 'Won opportunities' }).click();
    await expect(title(page, /^Report of /)).toBeVisible();
    await look(page, 'report');
    await page.getByRole('link', { name: 'Workshop equipment, second line' }).click();
    await expect(page.getByText('nothing explains it; event')).toBeVisible();
    await look(page, 'difference');
    const wider = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    expect(wider, 'the page is no wider than its window').toBe(false);
  });
}

test('with the keyboard alone: from the last report to the difference that nobody can explain', async ({ page }) => {
  await signIn(page, 'operator', '/reconcile');
  await expect(page.getByRole('link', { name: 'Won opportunities' })).toBeVisible();
  await tabTo(page, /^Won opportunities/);
  await page.keyboard.press('Enter');
  await expect(title(page, /^Report of /)).toBeVisible();
  await tabTo(page, /Only those not explained/);
  await page.keyboard.press('Space');
  await expect(page).toHaveURL(/why=unexplained/);
  await tabTo(page, /^Workshop equipment, second line/);
  await page.keyboard.press('Enter');
  await expect(title(page, 'Workshop equipment, second line')).toBeVisible();
});
