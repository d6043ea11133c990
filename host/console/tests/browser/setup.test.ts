// From nothing to a loaded flow; who does not see the assistant; the first step by keyboard; axe on each step.
import type { Page } from '@playwright/test';
import { clock, dialogOf, expect, look, problem, signIn, tabTo, test, title } from './console.ts';

test.use({ actionTimeout: 15_000 });

// The page is there before: making it makes the mock anew, too.
test.beforeEach(async ({ page }) => {
  await page.request.get('/mock/reset?empty');
});

/** The step that is shown. */
function step(page: Page, name: string) {
  return page.getByRole('group', { name, exact: true });
}
function standing(page: Page, name: string) {
  return page.getByRole('navigation', { name: 'Steps of the set-up' }).getByRole('listitem').filter({ hasText: name });
}

async function fillB1(page: Page, password: string): Promise<void> {
  const b1 = step(page, 'SAP Business One');
  await b1.getByRole('textbox', { name: 'Address of the Service Layer' }).fill('https://b1server:50000/b1s/v2');
  await b1.getByRole('textbox', { name: 'Company database' }).fill('SBO_WORKSHOP');
  await b1.getByRole('textbox', { name: 'User' }).fill('tandem');
  await b1.getByRole('textbox', { name: 'Password' }).fill(password);
}

async function connectB1(page: Page): Promise<void> {
  await fillB1(page, 'mock-password');
  const b1 = step(page, 'SAP Business One');
  await b1.getByRole('button', { name: 'Check' }).click();
  await b1.getByRole('button', { name: 'Trust this certificate' }).click();
  await expect(b1.getByText('logged in to B1')).toBeVisible();
  await b1.getByRole('button', { name: 'Save' }).click();
  await expect(standing(page, 'SAP Business One')).toContainText('Done');
}

/** Saves both connections, as a person does that has all at hand. */
async function connect(page: Page): Promise<void> {
  await connectB1(page);
  await page.getByRole('button', { name: 'Next: Salesforce' }).click();
  const org = step(page, 'Salesforce');
  await org.getByRole('textbox', { name: 'My Domain' }).fill('https://workshop.my.salesforce.com');
  await org.getByRole('textbox', { name: 'Consumer key' }).fill('3MVG9example');
  await org.getByRole('textbox', { name: 'Client secret' }).fill('mock-secret');
  await org.getByRole('button', { name: 'Save' }).click();
  await expect(standing(page, 'Salesforce')).toContainText('Done');
}

/** Switches a plugin on and allows what its flow asks for. */
async function switchOn(page: Page, plugin: string): Promise<void> {
  const flows = step(page, 'Flows');
  await flows
    .getByRole('listitem')
    .filter({ hasText: `${plugin} 1.4.0` })
    .getByRole('button', { name: /^Switch on/ })
    .click();
  const dialog = dialogOf(page);
  await expect(dialog.getByRole('textbox', { name: 'Name of the flow' })).toHaveValue(plugin);
  await dialog.getByRole('button', { name: 'Switch on' }).click();
  await expect(dialog).toBeHidden();
  const flow = flows.getByRole('region', { name: `Flow ${plugin}` });
  await expect(flow).toContainText('The host takes it up');
  await expect(flow).toContainText('Asks for rights');
  await flow.getByRole('button', { name: `Allow all of this: ${plugin}` }).click();
  await dialog.getByRole('button', { name: /^Grant \d+ rights/ }).click();
  await expect(dialog).toBeHidden();
  await expect(flow).toContainText('Ready to go live');
}

async function makeLive(page: Page, flow: string): Promise<void> {
  await page.getByRole('button', { name: `Make live: ${flow}` }).click();
  await dialogOf(page).getByRole('button', { name: 'Make live' }).click();
  await expect(dialogOf(page)).toBeHidden();
}

test('from nothing to a flow that is loaded', async ({ page }) => {
  await signIn(page, 'admin');
  await page.getByRole('button', { name: 'Begin the set-up' }).click();
  await expect(title(page, 'Set-up')).toBeVisible();

  // B1: an untrusted certificate, then a wrong password, then what is missing in the company.
  const b1 = step(page, 'SAP Business One');
  await expect(b1.getByRole('textbox', { name: 'Time zone' })).toHaveValue('Europe/Berlin');
  await fillB1(page, 'wrong');
  await b1.getByRole('textbox', { name: 'Address of the Service Layer' }).fill('b1server');
  await b1.getByRole('button', { name: 'Check' }).click();
  await expect(problem(page)).toContainText('Write it like https://server:50000/b1s/v2.');
  await b1.getByRole('textbox', { name: 'Address of the Service Layer' }).fill('https://b1server:50000/b1s/v2');
  await b1.getByRole('button', { name: 'Check' }).click();
  const certificate = b1.getByRole('region', { name: 'The server’s certificate is not trusted yet' });
  await expect(certificate).toContainText('CN=b1server');
  await expect(certificate).toContainText(/([0-9A-F]{2}:){7}[0-9A-F]{2}/);
  await expect(certificate).toContainText('28 Feb 2030');
  await certificate.getByRole('button', { name: 'Trust this certificate' }).click();
  await expect(b1.getByText(/-304 Fail to get DB Credentials/)).toBeVisible();
  await expect(b1.getByText(/Mend: check company, user and password/)).toBeVisible();
  await b1.getByRole('textbox', { name: 'Password' }).fill('mock-password');
  await expect(b1.getByText('You changed something since this check.')).toBeVisible();
  await b1.getByRole('button', { name: 'Check' }).click();
  const findings = b1.getByRole('list', { name: 'What the check found' }).getByRole('listitem');
  await expect(findings.first()).toContainText('missing');
  await expect(findings.last()).toContainText('logged in to B1');
  await b1.getByRole('button', { name: 'Save' }).click();
  await expect(b1.getByRole('textbox', { name: 'Password' })).toHaveValue('');
  await expect(b1.getByText('The host takes it up')).toBeVisible();
  await expect(standing(page, 'SAP Business One')).toContainText('Done');
  await b1.getByRole('button', { name: 'Make them now' }).click();
  await expect(dialogOf(page)).toContainText('Nobody may work in it meanwhile');
  await dialogOf(page).getByRole('button', { name: 'Make them now' }).click();
  await expect(b1.getByRole('list', { name: 'User table and user fields' })).toContainText('U_SF_LineId');
  await expect(findings.first()).toContainText('Good');

  // Salesforce: what is typed stays while somebody looks at another step, and a package that is too old is said.
  await page.getByRole('button', { name: 'Next: Salesforce' }).click();
  const org = step(page, 'Salesforce');
  await org.getByRole('textbox', { name: 'My Domain' }).fill('https://workshop.my.salesforce.com');
  await standing(page, 'Flows').getByRole('link').click();
  await standing(page, 'Salesforce').getByRole('link').click();
  await expect(org.getByRole('textbox', { name: 'My Domain' })).toHaveValue('https://workshop.my.salesforce.com');
  await org.getByRole('textbox', { name: 'Consumer key' }).fill('3MVG9example');
  await org.getByText('Private key (JWT)').click();
  await expect(org.getByRole('button', { name: 'Check' })).toBeDisabled();
  await org.getByRole('textbox', { name: 'User' }).fill('tandem@workshop.example');
  await org.locator('input[accept^=".key"]').setInputFiles({
    name: 'salesforce.key',
    mimeType: 'application/x-pem-file',
    buffer: Buffer.from('-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n'),
  });
  await expect(org.getByText('3 lines, hidden')).toBeVisible();
  await org.getByRole('button', { name: 'Check' }).click();
  await expect(org.getByRole('list', { name: 'What the check found' }).getByRole('listitem').first()).toContainText(
    'version 0.8.0 is installed',
  );
  await org.getByRole('button', { name: 'Save' }).click();
  await expect(standing(page, 'Salesforce')).toContainText('Done');

  // Flows: one that is not here yet is dropped, two are switched on.
  await page.getByRole('button', { name: 'Next: Flows' }).click();
  const flows = step(page, 'Flows');
  await expect(flows.getByText('It is built for tandem:plugin@2.0.0')).toBeVisible();
  const file = flows.locator('input[accept^=".wasm"]');
  await file.setInputFiles({ name: 'orders.wasm', mimeType: 'application/wasm', buffer: Buffer.from('\0asm\x01') });
  await expect(problem(page)).toContainText('Another orders.wasm lies in the plugins folder.');
  await file.setInputFiles({ name: 'fulfilment.wasm', mimeType: 'application/wasm', buffer: Buffer.from('\0asm\x01') });
  await expect(flows.getByText('fulfilment 1.4.0')).toBeVisible();
  await switchOn(page, 'accounts');
  await switchOn(page, 'orders');
  await expect(standing(page, 'Flows')).toContainText('Done');

  // First load: rehearsed, made live, loaded, stopped, gone on with, over.
  await page.getByRole('button', { name: 'Next: First load' }).click();
  const loads = step(page, 'First load');
  const accounts = loads.getByRole('region', { name: 'accounts', exact: true });
  await expect(accounts.getByRole('button', { name: 'Load', exact: true })).toBeDisabled();
  await accounts.getByRole('button', { name: 'Rehearse' }).click();
  const rehearsal = accounts.getByRole('region', { name: 'Rehearsal' });
  await expect(rehearsal).toContainText('Rehearsed');
  await expect(rehearsal.getByRole('row', { name: /make Account/ })).toContainText('310');
  await expect(rehearsal).toContainText('Parameter Technology may be the same as two accounts');
  await makeLive(page, 'accounts');
  await makeLive(page, 'orders');
  await accounts.getByRole('button', { name: 'Load', exact: true }).click();
  await clock(page, 'stands');
  await dialogOf(page).getByRole('button', { name: 'Load' }).click();
  const loading = accounts.getByRole('region', { name: 'Progress' });
  await expect(loading).toContainText('0 of 1,240 records done');
  await clock(page, 'pass=3000');
  await expect(loading).toContainText(/620 of 1,240 records done · [\d,]+ records a minute · about \d+ seconds? left/);
  await accounts.getByRole('button', { name: 'Stop' }).click();
  await expect(loading).toContainText('Stopped');
  await clock(page, 'runs');

  // Whoever comes back sees where it stands.
  await page.goto('/setup');
  await expect(loading).toContainText('Stopped');
  await accounts.getByRole('button', { name: 'Go on' }).click();
  await expect(loading).toContainText('Loaded: 1,240 of 1,240 records done', { timeout: 15_000 });
  await expect(loading.getByRole('link', { name: '3 questions to review' })).toHaveAttribute(
    'href',
    '/reviews?flow=accounts',
  );
  await expect(standing(page, 'First load')).toContainText('Done');
  await page.getByRole('button', { name: 'Next: What runs now' }).click();
  await expect(step(page, 'What runs now').getByRole('link', { name: 'orders' })).toBeVisible();
  await page.goto('/');
  await expect(page.getByRole('button', { name: 'Begin the set-up' })).toHaveCount(0);
});

test('secrets are kept nowhere in the browser, and what is typed is not lost without being asked', async ({ page }) => {
  await signIn(page, 'admin');
  await page.getByRole('button', { name: 'Begin the set-up' }).click();
  await fillB1(page, 'mock-password');
  await page.goBack();
  await expect(dialogOf(page)).toContainText('What you typed is not saved.');
  await dialogOf(page).getByRole('button', { name: 'Stay' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).getByText('Events').click();
  await expect(dialogOf(page)).toContainText('What you typed is not saved.');
  await dialogOf(page).getByRole('button', { name: 'Stay' }).click();
  const b1 = step(page, 'SAP Business One');
  await expect(b1.getByRole('textbox', { name: 'Company database' })).toHaveValue('SBO_WORKSHOP');
  await b1.getByRole('button', { name: 'Save' }).click();
  await expect(b1.getByRole('textbox', { name: 'Password' })).toHaveValue('');
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]));
  expect(kept).not.toContain('mock-password');
  await page.getByRole('navigation', { name: 'Pages' }).getByText('Events').click();
  await expect(title(page, 'Events')).toBeVisible();
});

test('a connection is changed years later: another address takes the password anew', async ({ page, request }) => {
  await request.get('/mock/reset');
  await signIn(page, 'admin', '/setup?step=b1');
  const b1 = step(page, 'SAP Business One');
  const password = b1.getByRole('textbox', { name: 'Password' });
  await expect(password).toHaveAttribute('placeholder', 'Kept in the file secrets/b1.password');
  await expect(b1.getByRole('button', { name: 'Save' })).toBeDisabled();
  await b1.getByRole('button', { name: 'Check' }).click();
  await expect(b1.getByText('logged in to B1')).toBeVisible();
  await b1.getByRole('textbox', { name: 'Address of the Service Layer' }).fill('https://b1new:50000/b1s/v2');
  await expect(b1.getByRole('button', { name: 'Save' })).toBeDisabled();
  await password.fill('mock-password');
  await b1.getByRole('button', { name: 'Save' }).click();
  await expect(standing(page, 'SAP Business One')).toContainText('Under way');
  await expect(standing(page, 'SAP Business One')).toContainText('Done');
});

test('what was set up by mistake is taken out again, but what is used', async ({ page }) => {
  await signIn(page, 'admin', '/setup');
  await connect(page);
  await page.goto('/setup?step=b1');
  const b1 = step(page, 'SAP Business One');
  await b1.getByRole('button', { name: /^Take out / }).click();
  await expect(dialogOf(page)).toContainText('and its secret');
  await dialogOf(page).getByRole('button', { name: 'Take out' }).click();
  await expect(standing(page, 'SAP Business One')).toContainText('To do');
  await expect(b1.getByRole('textbox', { name: 'Company database' })).toHaveValue('');
  await connectB1(page);
  await page.goto('/setup?step=flows');
  await switchOn(page, 'orders');
  await switchOn(page, 'accounts');
  const flow = (name: string) => step(page, 'Flows').getByRole('region', { name: `Flow ${name}` });
  await flow('orders').getByRole('button', { name: 'Take out flow orders' }).click();
  await dialogOf(page).getByRole('button', { name: 'Take out' }).click();
  await expect(flow('orders')).toHaveCount(0);
  await flow('accounts').getByRole('button', { name: 'Take out flow accounts' }).click();
  await dialogOf(page).getByRole('button', { name: 'Take out' }).click();
  await expect(dialogOf(page)).toContainText('It is the only flow');
  await page.keyboard.press('Escape');
  await page.goto('/setup?step=b1');
  await expect(b1.getByRole('button', { name: 'Check' })).toBeVisible();
  await expect(b1.getByRole('button', { name: /^Take out / })).toHaveCount(0);
});

test('why the host does not take up what is saved is said', async ({ page }) => {
  await signIn(page, 'admin', '/setup');
  await page.route('**/api/v1/setup', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({
      response: answer,
      json: { ...(await answer.json()), refused: '[b1.erp] url is no address' },
    });
  });
  await fillB1(page, 'mock-password');
  await step(page, 'SAP Business One').getByRole('button', { name: 'Save' }).click();
  await expect(problem(page)).toContainText('[b1.erp] url is no address');
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

for (const name of ['viewer', 'operator']) {
  test(`who is ${name} does not see the assistant`, async ({ page }) => {
    await signIn(page, name);
    await expect(page.getByRole('button', { name: 'Begin the set-up' })).toHaveCount(0);
    await expect(page.getByRole('navigation', { name: 'Pages' }).getByText('Set-up')).toHaveCount(0);
    await page.goto('/setup');
    await expect(title(page, 'Your role does not allow this page')).toBeVisible();
  });
}

test('by keyboard alone: B1 is checked, its certificate trusted, and it is saved', async ({ page }) => {
  await signIn(page, 'admin', '/setup');
  const b1 = step(page, 'SAP Business One');
  await tabTo(page, /Address of the Service Layer/);
  await page.keyboard.type('https://b1server:50000/b1s/v2');
  await tabTo(page, /Company database/, 3);
  await page.keyboard.type('SBO_WORKSHOP');
  await tabTo(page, /User/, 3);
  await page.keyboard.type('tandem');
  await tabTo(page, /Password/, 3);
  await page.keyboard.type('mock-password');
  await tabTo(page, /^\s*Check\s*$/, 6);
  await page.keyboard.press('Enter');
  await expect(b1.getByRole('button', { name: 'Trust this certificate' })).toBeVisible();
  await tabTo(page, /Trust this certificate/, 6);
  await page.keyboard.press('Enter');
  await expect(b1.getByText('logged in to B1')).toBeVisible();
  await tabTo(page, /^\s*Save\s*$/, 80);
  await page.keyboard.press('Enter');
  await expect(standing(page, 'SAP Business One')).toContainText('Done');
  await tabTo(page, /Next: Salesforce/, 80);
  await page.keyboard.press('Enter');
  await expect(step(page, 'Salesforce')).toBeFocused();
  await tabTo(page, /My Domain/, 3);
});

for (const width of [1440, 390]) {
  test(`axe finds nothing serious in any step, ${width} wide`, async ({ page }) => {
    await signIn(page, 'admin', '/setup');
    await page.setViewportSize({ width, height: 900 });
    const seen = async (name: string) => {
      await expect(page.locator('ui5-toast[open]')).toHaveCount(0); // it fades
      await look(page, name);
    };
    await expect(step(page, 'SAP Business One').getByRole('button', { name: 'Check' })).toBeVisible();
    await seen('b1');
    await fillB1(page, 'wrong');
    const b1 = step(page, 'SAP Business One');
    await b1.getByRole('button', { name: 'Check' }).click();
    await expect(b1.getByRole('button', { name: 'Trust this certificate' })).toBeVisible();
    await seen('certificate');
    await connect(page);
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByText('Private key (JWT)').click();
    await seen('salesforce');
    await standing(page, 'Flows').getByRole('link').click();
    await seen('flows');
    await page.getByRole('button', { name: 'Switch on: Won opportunities become sales orders' }).click();
    await expect(dialogOf(page)).toBeVisible();
    await seen('switch on');
    await page.keyboard.press('Escape');
    await switchOn(page, 'accounts');
    await seen('switched on');
    await standing(page, 'First load').getByRole('link').click();
    await makeLive(page, 'accounts');
    await page.getByRole('button', { name: 'Rehearse' }).click();
    await expect(page.getByText('Rehearsed')).toBeVisible();
    await seen('rehearsed');
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await dialogOf(page).getByRole('button', { name: 'Load' }).click();
    await expect(page.getByText(/records a minute/)).toBeVisible();
    await seen('loading');
    await standing(page, 'What runs now').getByRole('link').click();
    await seen('runs');
  });
}
