// The mapping editor: ten fields with one code table and one expression, previewed, published and taken back.
import type { Page } from '@playwright/test';
import { clock, dialogOf, expect, PASSWORD, problem, signIn, test, title } from './console.ts';

const left = (page: Page) => page.getByRole('region', { name: 'From Salesforce' });
const right = (page: Page) => page.getByRole('region', { name: 'To SAP Business One' });
const rule = (page: Page) => page.getByRole('region', { name: 'Rule', exact: true });
const row = (side: ReturnType<typeof left>, path: string) => side.locator(`[data-path="${path}"]`);
const field = (side: ReturnType<typeof left>, path: string) => row(side, path).locator('.field-main');

/** By clicks: a source, then a target. */
async function join(page: Page, from: string, to: string): Promise<void> {
  await field(left(page), from).click();
  await field(right(page), to).click();
  await expect(row(right(page), to)).toContainText(`source.${from}`);
}

test('ten fields with one code table and one expression are mapped, previewed, published and taken back', async ({
  page,
}) => {
  await signIn(page, 'operator', '/mapping');
  await page.getByRole('link', { name: 'orders' }).click();
  await expect(title(page, 'Mapping: orders')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Publish' })).toBeDisabled();

  // Eight copied: one by drawing its line, the others by two clicks.
  await field(left(page), 'Project_Code__c').scrollIntoViewIfNeeded();
  await field(right(page), 'U_Project').scrollIntoViewIfNeeded();
  const from = await field(left(page), 'Project_Code__c').boundingBox();
  const to = await field(right(page), 'U_Project').boundingBox();
  if (!from || !to) throw new Error('the fields are not in sight');
  await page.mouse.move(from.x + from.width - 20, from.y + 15);
  await page.mouse.down();
  await page.mouse.move(to.x - 30, to.y + 5, { steps: 5 });
  await expect(page.locator('.lines .draft')).toBeVisible();
  await page.mouse.move(to.x + 40, to.y + 15, { steps: 5 });
  await page.mouse.up();
  await expect(row(right(page), 'U_Project')).toContainText('source.Project_Code__c');
  await expect(page.locator('.lines .line')).toHaveCount(5);

  for (const [source, target] of [
    ['Cost_Centre__c', 'U_CostCentre'],
    ['Incoterms__c', 'U_Incoterms'],
    ['Delivery_Window__c', 'U_DeliveryWindow'],
    ['Sales_Rep_Code__c', 'U_SalesRep'],
    ['Gift_Message__c', 'U_GiftMessage'],
    ['Contract_Number__c', 'U_ContractNo'],
    ['Priority__c', 'U_Priority'],
  ] as const) {
    await join(page, source, target);
  }

  // One by a code table, proposed from both lists.
  await join(page, 'Region__c', 'U_Region');
  await rule(page).getByRole('button', { name: 'Use a code table' }).click();
  const dialog = dialogOf(page);
  await expect(dialog.getByText('4 rows are proposed')).toBeVisible();
  await expect(dialog.getByRole('textbox', { name: 'Code 1' })).toHaveValue('North');
  await expect(dialog.getByLabel('Value 1')).toHaveValue('N');
  await expect(dialog.getByText('Without a row: Export')).toBeVisible();
  await dialog.getByRole('button', { name: 'Use this table' }).click();
  await expect(dialog).toBeHidden();
  await expect(row(right(page), 'U_Region')).toContainText('tables.region[source.Region__c]');

  // One by an expression, with completion, and an error as it is typed.
  await field(right(page), 'U_Channel').click();
  const value = rule(page).getByRole('textbox', { name: 'Value' });
  await value.click();
  await page.keyboard.type('source.Typ');
  await expect(page.getByRole('option', { name: /^Type/ })).toBeVisible();
  // A choice that just came up is not taken by a key that was meant for the text.
  await page.waitForTimeout(150);
  await page.keyboard.press('Enter');
  await page.keyboard.type(' == "New Business" ? ');
  await expect(rule(page).getByRole('status')).toContainText('something is missing');
  await page.keyboard.type('"N" : "R"');
  await expect(value).toHaveText('source.Type == "New Business" ? "N" : "R"');
  await expect(rule(page).getByRole('status')).toContainText('Reads Type');
  await expect(row(right(page), 'U_Channel')).toContainText('source.Type == "New Business" ? "N" : "R"');
  await expect(page.locator('.lines .line')).toHaveCount(14);

  // Real records, one of which has a code that the table does not.
  const preview = page.getByRole('region', { name: 'Preview' }).last();
  await expect(preview.getByRole('row', { name: /^U_Channel/ })).toContainText(/New Business →\s*N/);
  await page.getByRole('button', { name: '3 records; choose others' }).click();
  await page.getByRole('checkbox', { name: 'Export desk' }).click();
  await expect(preview.getByRole('row', { name: /^U_Region/ })).toContainText('no entry for "Export"');

  // The table gets its row, pasted from a sheet.
  await page.getByRole('option', { name: 'Tables' }).click();
  await page.getByRole('button', { name: 'Add a row' }).click();
  await page.getByLabel('Code 5').evaluate((input) => {
    const data = new DataTransfer();
    data.setData('text/plain', 'Export\tE\r\nImport\tW\r\n');
    input.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await expect(page.getByLabel('Code 6')).toHaveValue('Import');
  await page.getByRole('option', { name: 'Text', exact: true }).click();
  const text = page.getByRole('textbox', { name: 'Text' });
  await expect(text).toContainText('Export = "E"');
  await expect(text).toContainText('# the warehouse reads it');

  await page.getByRole('option', { name: 'Check' }).click();
  await expect(page.getByText('Delivery_Window__c has up to 60 letters')).toBeVisible();
  await page.getByRole('button', { name: '[header] U_DeliveryWindow' }).click();
  await expect(rule(page)).toContainText('U_DeliveryWindow');

  await page.getByRole('button', { name: 'Publish' }).click();
  await dialog.getByRole('textbox', { name: 'What was changed' }).fill('ten fields of the sales department');
  await dialog.getByRole('button', { name: 'Check' }).click();
  await expect(dialog).toContainText('Delivery_Window__c has up to 60 letters');
  await clock(page, 'stands');
  await dialog.getByRole('button', { name: 'Compare over past events' }).click();
  await expect(dialog.getByText(/runs compared/)).toBeVisible();
  await expect(dialog.getByRole('button', { name: 'Make live' })).toBeDisabled();
  await clock(page, 'runs');
  await expect(dialog.getByRole('row', { name: /U_Channel/ })).toBeVisible();
  await dialog.getByRole('button', { name: 'Make live' }).click();
  await expect(dialog).toContainText('These files now say the same: orders.mapping.toml');
  await dialog.getByRole('button', { name: 'Roll back' }).click();
  await expect(dialog).toContainText('is live again');
  await dialog.getByRole('link', { name: /To release/ }).click();
  await expect(page.getByText('ten fields of the sales department')).toBeVisible();

  // What was taken back is not lost: its mapping is edited further.
  await page.getByRole('link', { name: 'Edit this mapping' }).click();
  await expect(row(right(page), 'U_Channel')).toContainText('source.Type');
  await expect(page.getByText('Not published')).toHaveCount(0);
});

test('whoever was slower is told, and what the other one published is not overwritten unseen', async ({
  page,
  browser,
}) => {
  await signIn(page, 'operator', '/mapping/orders');
  await join(page, 'Project_Code__c', 'U_Project');
  const context = await browser.newContext();
  const api = async (path: string, data: object) => {
    const session = await (await context.request.get('/api/v1/session')).json();
    const headers = { 'X-Tandem-CSRF': session.csrf };
    return (await context.request.post(`/api/v1${path}`, { data, headers })).json();
  };
  await context.request.post('/api/v1/session', { data: { name: 'admin', password: PASSWORD } });
  const { flows } = await (await context.request.get('/api/v1/flows')).json();
  const { text } = await (await context.request.get('/api/v1/flows/orders/mapping')).json();
  const theirs = await api('/flows/orders/drafts', { mapping: text.replace('NumAtCard', 'JournalMemo') });
  await api(`/flows/orders/releases/${theirs.release}/activate`, { why: 'theirs', instead_of: flows[0].live });
  await context.close();

  await page.getByRole('button', { name: 'Publish' }).click();
  const dialog = dialogOf(page);
  await dialog.getByRole('textbox', { name: 'What was changed' }).fill('projects');
  await dialog.getByRole('button', { name: 'Check' }).click();
  await dialog.getByRole('button', { name: 'Compare over past events' }).click();
  await dialog.getByRole('button', { name: 'Make live' }).click();
  await expect(problem(page)).toContainText('Another release was made live meanwhile.');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.reload();
  await expect(page.getByText('Another mapping was published since you began.')).toBeVisible();
  await expect(row(right(page), 'U_Project')).toContainText('source.Project_Code__c');
});

test('a rule for a field that is not there is shown all the same', async ({ page }) => {
  await page.route('**/mapping/fields?*', async (route) => {
    const answer = await (await route.fetch()).json();
    await route.fulfill({ json: { ...answer, b1: [], unread: 'SAP Business One does not answer.' } });
  });
  await signIn(page, 'operator', '/mapping/orders');
  await expect(page.getByText('SAP Business One does not answer.')).toBeVisible();
  await expect(row(right(page), 'Comments')).toContainText('source.Tandem_Order_Notes__c');
});

test('with the keyboard alone a rule is made', async ({ page }) => {
  await signIn(page, 'operator', '/mapping/orders');
  await left(page).getByRole('searchbox').focus();
  await page.keyboard.type('loading');
  await page.keyboard.press('ArrowDown');
  await expect(field(left(page), 'Loading_Bay__c')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByText('Loading_Bay__c is chosen.')).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(right(page).getByRole('searchbox')).toBeFocused();
  await page.keyboard.type('loading');
  await page.keyboard.press('Tab');
  await expect(field(right(page), 'U_LoadingBay')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(row(right(page), 'U_LoadingBay')).toContainText('source.Loading_Bay__c');
  await page.keyboard.press('Tab');
  await expect(rule(page).getByRole('textbox', { name: 'Value' })).toBeFocused();
  // Out of the editor leads the Tab key, too.
  await page.keyboard.press('Tab');
  await expect(rule(page).getByRole('button', { name: 'Use a code table' })).toBeFocused();
});

test('a related record is opened in place, and its field mapped', async ({ page }) => {
  await signIn(page, 'operator', '/mapping/orders');
  await left(page).getByRole('searchbox').fill('Account ID');
  await field(left(page), 'AccountId').focus();
  await left(page).getByRole('button', { name: 'Open Account' }).click();
  await left(page).getByRole('searchbox').fill('Account.Region');
  await join(page, 'Account.Region__c', 'U_Region');
  const line = page.locator('.lines .line.chosen path').first();
  const searched = await line.getAttribute('d');
  await left(page).getByRole('searchbox').fill('');
  // The line goes with its field.
  await expect(line).not.toHaveAttribute('d', searched ?? '');
  await row(left(page), 'Account.Region__c').getByRole('button', { name: '4 values' }).click();
  await expect(row(left(page), 'Account.Region__c')).toContainText('West');
});

test('what the flow sets itself is said, and no rule is made for it', async ({ page }) => {
  await signIn(page, 'operator', '/mapping/orders');
  await field(left(page), 'Project_Code__c').click();
  await expect(row(right(page), 'U_SF_Id')).toContainText('The flow sets it itself');
  await field(right(page), 'U_SF_Id').click({ force: true });
  await expect(page.getByText('Project_Code__c is chosen.')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByText('Choose a field on the left')).toBeVisible();
});

test('a pair gets direction and policy; undo takes a step back, redo does it again', async ({ page }) => {
  await signIn(page, 'operator', '/mapping/accounts');
  const target = page.getByRole('region', { name: 'Salesforce', exact: true });
  await field(target, 'Phone').click();
  await rule(page).getByRole('combobox', { name: 'When both changed' }).click();
  await page.getByRole('option', { name: 'A person is asked' }).click();
  await rule(page).getByRole('combobox', { name: 'Direction' }).click();
  await page.getByRole('option', { name: 'Only to Salesforce' }).click();
  await expect(row(target, 'Phone')).toContainText('Phone1 → Phone');
  await page.getByRole('option', { name: 'Text', exact: true }).click();
  const text = page.getByRole('textbox', { name: 'Text' });
  await expect(text).toContainText(
    'Phone1 = { salesforce = "Phone", direction = "to_salesforce", policy = "review" }  # the later change wins',
  );
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(text).toContainText('Phone1 = { salesforce = "Phone", policy = "review" }');
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(text).toContainText('Phone1 = { salesforce = "Phone" }');
  await expect(page.getByRole('button', { name: 'Undo' })).toBeDisabled();
  await page.getByRole('button', { name: 'Redo' }).click();
  await expect(text).toContainText('Phone1 = { salesforce = "Phone", policy = "review" }');

  await page.getByRole('option', { name: 'Map', exact: true }).click();
  await page.getByRole('option', { name: 'To Salesforce' }).click();
  await expect(page.getByRole('row', { name: /^BillingCity/ })).toContainText('Mannheim');
});

test('of two changes one after the other both are kept, however late the host answers', async ({ page }) => {
  await signIn(page, 'operator', '/mapping/accounts');
  const target = page.getByRole('region', { name: 'Salesforce', exact: true });
  await field(target, 'Phone').click();
  await page.route('**/mapping/edit', async (route) => {
    await new Promise((done) => setTimeout(done, 1500));
    await route.continue();
  });
  await rule(page).getByRole('combobox', { name: 'When both changed' }).click();
  await page.getByRole('option', { name: 'A person is asked' }).click();
  await rule(page).getByRole('combobox', { name: 'Direction' }).click();
  await page.getByRole('option', { name: 'Only to Salesforce' }).click();
  await page.getByRole('option', { name: 'Text', exact: true }).click();
  await expect(page.getByRole('textbox', { name: 'Text' })).toContainText(
    'Phone1 = { salesforce = "Phone", direction = "to_salesforce", policy = "review" }',
  );
});

test('text is read again as one types, and says where it is wrong; unpublished work outlives a reload', async ({
  page,
}) => {
  await signIn(page, 'operator', '/mapping/orders?tab=text');
  const text = page.getByRole('textbox', { name: 'Text' });
  await text.click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('U_Colour = ');
  await expect(problem(page)).toContainText('Line 15 is no TOML');
  await expect(page.getByRole('button', { name: 'Publish' })).toBeDisabled();
  await page.keyboard.type('"source.Colour__c"');
  await expect(page.getByText('Line 15 is no TOML')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Publish' })).toBeEnabled();

  await page.reload();
  await expect(text).toContainText('U_Colour = "source.Colour__c"');
  await page.getByRole('option', { name: 'Map', exact: true }).click();
  await page.getByRole('option', { name: 'line', exact: true }).click();
  await expect(row(right(page), 'U_Colour')).toContainText('source.Colour__c');

  await page.getByRole('navigation', { name: 'Pages' }).getByText('Events').click();
  await expect(dialogOf(page)).toContainText('Your changes are not published.');
  await dialogOf(page).getByRole('button', { name: 'Stay' }).click();
  await expect(title(page, 'Mapping: orders')).toBeVisible();
  await page.getByRole('navigation', { name: 'Pages' }).getByText('Events').click();
  await dialogOf(page).getByRole('button', { name: 'Discard changes' }).click();
  await expect(title(page, 'Events')).toBeVisible();
  await page.goto('/mapping/orders');
  await expect(page.getByRole('button', { name: 'Undo' })).toBeDisabled();
});

test("the browser's Back and Forward ask before unpublished work is left, as a link does", async ({ page }) => {
  await signIn(page, 'operator', '/mapping');
  await page.getByRole('link', { name: 'orders' }).click();
  await join(page, 'Project_Code__c', 'U_Project');
  await page.getByRole('option', { name: 'Text', exact: true }).click();

  // Within the page nobody asks.
  await page.goBack();
  await expect(page).toHaveURL(/\/mapping\/orders$/);
  await expect(dialogOf(page)).toHaveCount(0);
  for (let times = 0; times < 2; times++) {
    await page.goBack();
    await expect(dialogOf(page)).toContainText('Your changes are not published.');
    await dialogOf(page).getByRole('button', { name: 'Stay' }).click();
    await expect(dialogOf(page)).toHaveCount(0);
    await expect(page).toHaveURL(/\/mapping\/orders$/);
    await expect(row(right(page), 'U_Project')).toContainText('source.Project_Code__c');
  }
  await page.goBack();
  await dialogOf(page).getByRole('button', { name: 'Leave, keep changes' }).click();
  await expect(title(page, 'Mapping')).toBeVisible();
  await expect(page).toHaveURL(/\/mapping$/);

  // And back again, where the work still is; the other way is asked, too.
  await page.goForward();
  await expect(page.getByText('Not published')).toBeVisible();
  await page.goBack();
  await dialogOf(page).getByRole('button', { name: 'Leave, keep changes' }).click();
  await page.getByRole('link', { name: 'orders' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).getByText('Events').click();
  await expect(title(page, 'Events')).toBeVisible();
  await page.goBack();
  await join(page, 'Project_Code__c', 'U_Project');
  await page.goForward();
  await expect(dialogOf(page)).toContainText('Your changes are not published.');
  await dialogOf(page).getByRole('button', { name: 'Discard changes' }).click();
  await expect(title(page, 'Events')).toBeVisible();
  await page.goBack();
  await expect(page.getByRole('button', { name: 'Undo' })).toBeDisabled();
});

test('an error is found by the check, and stops the publishing', async ({ page }) => {
  await signIn(page, 'operator', '/mapping/orders');
  await field(right(page), 'U_Project').click();
  await rule(page).getByRole('textbox', { name: 'Value' }).click();
  await page.keyboard.type('"a" + source.Type == "b" ? "c" : 1');
  // Typed over: the browser may not keep the look of what was there by itself, as the policy refuses that.
  await page.keyboard.press('Control+a');
  await page.keyboard.type('source.Projekt__c');
  await expect(row(right(page), 'U_Project')).toContainText('source.Projekt__c');
  await page.getByRole('button', { name: 'Publish' }).click();
  const dialog = dialogOf(page);
  await dialog.getByRole('textbox', { name: 'What was changed' }).fill('projects');
  await dialog.getByRole('button', { name: 'Check' }).click();
  await expect(dialog).toContainText('Opportunity has no field Projekt__c.');
  await expect(dialog.getByRole('button', { name: 'Compare over past events' })).toBeDisabled();
  await expect(problem(page)).toHaveCount(0);
});

test('a viewer reads the map and changes nothing', async ({ page }) => {
  await signIn(page, 'viewer', '/mapping/orders');
  await expect(page.getByText('Your role may read, not change.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Publish' })).toHaveCount(0);
  await field(left(page), 'Project_Code__c').click();
  await field(right(page), 'Comments').click();
  await expect(rule(page)).toContainText('Comments');
  await expect(rule(page).getByRole('button', { name: 'Remove rule' })).toHaveCount(0);
  await expect(row(right(page), 'Comments')).toContainText('source.Tandem_Order_Notes__c');
});

test('on a phone rules are a list, and a new one is made in two steps', async ({ page }) => {
  await signIn(page, 'operator');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto('/mapping/orders');
  const rules = page.getByRole('region', { name: 'Rules' });
  await expect(rules.getByRole('button', { name: /^Comments/ })).toBeVisible();
  await expect(page.locator('svg.lines')).toHaveCount(0);
  await page.getByRole('button', { name: 'New rule' }).click();
  await field(left(page), 'Project_Code__c').click();
  await field(right(page), 'U_Project').click();
  await expect(rules.getByRole('button', { name: /^U_Project/ })).toBeVisible();
  await expect(rule(page)).toContainText('Customer project');
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
});
