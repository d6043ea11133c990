/*
 * Opens the components in headless Chromium against the Salesforce simulator, looks at what they show, has axe look for
 * what keeps people out, and keeps a picture of each page.
 *
 * Environment: SALESFORCE (address), PICTURES (folder), ACCOUNT, DOUBTFUL (accounts), DELIVERED, ASKING, OPEN (opportunities),
 * QUESTION, PRODUCT (ids).
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { build } from './build.mjs';
import { serve } from './server.mjs';

const { SALESFORCE, PICTURES, ACCOUNT, DOUBTFUL, QUESTION, DELIVERED, ASKING, OPEN, PRODUCT } = process.env;
const axe = createRequire(import.meta.url).resolve('axe-core');
const opportunity = 'tandemCreditWarning,tandemOrderTimeline,tandemStock';

/** What each page must show: any of its texts missing is a failure. */
const pages = [
    [
        'account',
        'en',
        'tandemCreditCard',
        { recordId: ACCOUNT, objectApiName: 'Account' },
        ['Credit and receivables', 'Balance', 'Open invoices', 'Invoice ']
    ],
    [
        'account-asking',
        'en',
        'tandemReviews,tandemCreditCard',
        { recordId: DOUBTFUL, objectApiName: 'Account' },
        ['Tandem asks', 'Somebody may be the same', 'Leave it as it is', 'Credit and receivables']
    ],
    [
        'question',
        'de',
        'tandemReviews',
        { recordId: QUESTION, objectApiName: 'Tandem_Review__c' },
        ['Somebody', 'Neu anlegen']
    ],
    [
        'opportunity-delivered',
        'en',
        opportunity,
        { recordId: DELIVERED, objectApiName: 'Opportunity' },
        ['Order ', 'Shipped', 'Delivery ', 'Invoice ', 'Stock by warehouse', 'Warehouse']
    ],
    [
        'opportunity-asking',
        'en',
        opportunity,
        { recordId: ASKING, objectApiName: 'Opportunity' },
        ['Tandem asks', 'Send although over the limit', 'credit limit']
    ],
    [
        'opportunity-asking-german',
        'de',
        opportunity,
        { recordId: ASKING, objectApiName: 'Opportunity' },
        ['käme über das Kreditlimit von', 'dieser Auftrag bringt']
    ],
    [
        'opportunity-open',
        'en',
        opportunity,
        { recordId: OPEN, objectApiName: 'Opportunity' },
        ['goes over the credit', 'An order is made when this opportunity is won.']
    ],
    [
        'product',
        'en',
        'tandemStock',
        { recordId: PRODUCT, objectApiName: 'Product2' },
        ['Stock by warehouse', 'Hamburg']
    ],
    [
        'setup',
        'en',
        'tandemSetup',
        {},
        [
            'Hosts',
            'crm',
            'Well. Last seen',
            'Both sides compared whole',
            'Nothing is missing.',
            'Events delivered in the last 24 hours',
            'Empty: every change was told.'
        ]
    ],
    [
        'opportunity-german',
        'de',
        opportunity,
        { recordId: DELIVERED, objectApiName: 'Opportunity' },
        ['Auftrag in SAP Business One', 'Bestand je Lager', 'Jetzt abgleichen']
    ]
];

const scripts = { en: await build('en'), de: await build('de') };
let language = 'en';
const server = await serve(SALESFORCE, async () => scripts[language]);
const profile = await mkdtemp(join(tmpdir(), 'tandem-chromium-'));
const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    viewport: { width: 1280, height: 420 },
    args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync'
    ]
});
let failed = 0;
const tell = (ok, words) => {
    console.log(`${ok ? 'ok' : 'not ok'} - ${words}`);
    failed += ok ? 0 : 1;
};

/** Opens a page and waits until it shows a text. */
async function open(components, params, words) {
    const page = await browser.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${server.address}/?${new URLSearchParams({ components, ...params })}`);
    for (const text of errors.length > 0 ? [] : words) {
        await page
            .getByText(text)
            .first()
            .waitFor({ timeout: 10_000 })
            .catch(() => errors.push(`"${text}" is not shown`));
    }
    return { page, errors };
}

await mkdir(PICTURES, { recursive: true });
for (const [name, wanted, components, params, words] of pages) {
    language = wanted;
    const { page, errors } = await open(components, params, words);
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
    await page.addScriptTag({ path: axe });
    const rules = {
        'landmark-one-main': { enabled: false },
        'page-has-heading-one': { enabled: false },
        region: { enabled: false }
    };
    const found = await page.evaluate((rules) => globalThis.axe.run(document, { rules }), rules);
    const barriers = found.violations.filter((one) => ['serious', 'critical'].includes(one.impact));
    errors.push(...barriers.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`));
    tell(errors.length === 0, `${name}${errors.map((error) => `\n    ${error}`).join('')}`);
    await page.close();
}

// A rep answers, and the order is made; then asks for another look.
language = 'en';
{
    const { page, errors } = await open('tandemOrderTimeline', { recordId: ASKING, objectApiName: 'Opportunity' }, [
        'Send although over the limit'
    ]);
    await page.getByRole('button', { name: 'Send although over the limit' }).click();
    await page
        .getByText(/Order \d+, Open/)
        .waitFor({ timeout: 30_000 })
        .catch((error) => errors.push(error.message));
    await page.getByRole('button', { name: 'Sync now' }).click();
    tell(
        errors.length === 0,
        `the question is answered on the record${errors.map((error) => `\n    ${error}`).join('')}`
    );
    await page.close();
}
// So is one about an account, which has no order.
{
    const { page, errors } = await open('tandemReviews', { recordId: DOUBTFUL, objectApiName: 'Account' }, [
        'Leave it as it is'
    ]);
    await page.getByRole('button', { name: 'Leave it as it is' }).click();
    await page
        .getByText('Tandem asks')
        .waitFor({ state: 'detached', timeout: 30_000 })
        .catch((error) => errors.push(error.message));
    tell(
        errors.length === 0,
        `a question about an account is answered on it${errors.map((error) => `\n    ${error}`).join('')}`
    );
    await page.close();
}
// An invoice is opened as Lightning opens records.
{
    const { page, errors } = await open('tandemCreditCard', { recordId: ACCOUNT, objectApiName: 'Account' }, [
        'Invoice '
    ]);
    await page.getByRole('link', { name: 'Invoice ' }).first().click();
    await page.waitForURL(/\/lightning\/r\/\w{18}\/view$/).catch((error) => errors.push(error.message));
    tell(errors.length === 0, `an invoice is opened${errors.map((error) => `\n    ${error}`).join('')}`);
    await page.close();
}

await browser.close();
server.close();
await rm(profile, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
