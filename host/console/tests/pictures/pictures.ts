// A picture of each page, light and dark, on a desk and on a phone: docs/pictures/console/<page>-<light|dark>-<390|1440>.png.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from '@playwright/test';
import { dialogOf, expect, inTheme, PASSWORD, settled, test } from '../browser/console.ts';
import { withPalette } from './png.ts';

const FOLDER = path.join(import.meta.dirname, '../../../../docs/pictures/console');
/** So long after what the mock calls now that what is done within 20 seconds was a minute ago. */
const SEEN_AT = new Date('2026-11-27T14:33:20.000Z');
/** In pixels; a page is shown as a whole up to here. */
const HIGHEST = 2400;

interface Shown {
  as?: string;
  /** A host that was just installed. */
  empty?: true;
  at: string;
  /** What is done on the page first. */
  does?: (page: Page, width: number) => Promise<void>;
}

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });
const step = (page: Page, name: string) => page.getByRole('group', { name, exact: true });

/** The rule of the phone is removed, so that there is something to publish. */
async function publish(page: Page, width: number): Promise<void> {
  const rule = page.getByRole('button', { name: /Phone/ });
  await rule
    .filter({ hasText: width > 700 ? 'Phone1 ↔ Phone' : /^Phone/ })
    .first()
    .click();
  await button(page, 'Remove rule').click();
  await button(page, 'Publish').click();
  const dialog = dialogOf(page);
  await dialog.getByRole('textbox', { name: 'What was changed' }).fill('telephone numbers stay as they are');
  await dialog.getByRole('button', { name: 'Check' }).click();
  await dialog.getByRole('button', { name: 'Compare over past events' }).click();
  await expect(dialog.getByRole('button', { name: 'Make live' })).toBeVisible();
  await expect(dialog.getByText(/runs compared/)).toBeVisible();
}

async function waiting(page: Page): Promise<void> {
  const rows = page.getByRole('listitem').or(page.getByRole('row'));
  await rows.filter({ hasText: 'Waiting' }).getByRole('link').first().click();
  await button(page, /Compare over/).click();
  await expect(page.getByRole('region', { name: 'What would be written otherwise' })).toBeVisible();
}

async function certificate(page: Page): Promise<void> {
  const b1 = step(page, 'SAP Business One');
  const field = (name: string) => b1.getByRole('textbox', { name });
  await field('Address of the Service Layer').fill('https://b1server:50000/b1s/v2');
  await field('Company database').fill('SBO_WORKSHOP');
  await field('User').fill('tandem');
  await field('Password').fill('wrong');
  await b1.getByRole('button', { name: 'Check' }).click();
  await expect(b1.getByRole('button', { name: 'Trust this certificate' })).toBeVisible();
}

async function rehearsed(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Not loaded yet' }).click();
  await button(page, 'Rehearse').click();
  await expect(page.getByText('Rehearsed:')).toBeVisible();
}

async function story(page: Page): Promise<void> {
  await page
    .getByRole('link', { name: /^#\d+$/ })
    .first()
    .click();
  await page
    .getByRole('button', { name: /POST b1/ })
    .first()
    .click();
}

async function asked(page: Page): Promise<void> {
  await page.getByRole('link', { name: /Maxi-Teq GmbH/ }).click();
  await page.getByRole('button', { name: /do\? link with C20500/ }).click();
  await expect(page.getByText('Nothing was written.')).toBeVisible();
}

async function report(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Won opportunities' }).click();
  await expect(page.getByRole('heading', { level: 1, name: /^Report of/ })).toBeVisible();
}

async function difference(page: Page): Promise<void> {
  await report(page);
  await page.getByRole('link', { name: 'Workshop equipment, second line' }).click();
  await expect(page.getByText('nothing explains it; event')).toBeVisible();
}

const PAGES: Record<string, Shown> = {
  'sign-in': { as: '', at: '/' },
  overview: { at: '/' },
  begin: { at: '/', empty: true },
  events: { at: '/events' },
  story: { at: '/events?q=1042&flow=orders', does: story },
  kinds: { at: '/kinds' },
  explain: { at: '/explain?record=1042' },
  reconcile: { at: '/reconcile' },
  'reconcile-report': { at: '/reconcile', does: report },
  'reconcile-difference': { at: '/reconcile', does: difference },
  reviews: { at: '/reviews' },
  review: { at: '/reviews', does: asked },
  mapping: { at: '/mapping/orders' },
  'mapping-tables': { at: '/mapping/accounts?tab=tables' },
  'mapping-text': { at: '/mapping/orders?tab=text' },
  publish: { at: '/mapping/accounts', does: publish },
  flows: { at: '/flows' },
  flow: { at: '/flows/orders' },
  'flow-settings': { at: '/flows/orders?tab=settings' },
  'flow-rights': { at: '/flows/orders?tab=rights' },
  'flow-load': { as: 'operator', at: '/flows/catalogue', does: rehearsed },
  release: { at: '/flows/orders', does: waiting },
  access: { at: '/access' },
  'access-tokens': { at: '/access?tab=tokens' },
  'access-sessions': { at: '/access?tab=sessions' },
  'access-audit': { at: '/access?tab=audit' },
  account: { at: '/account' },
  'setup-b1': { at: '/setup', empty: true, does: certificate },
  'setup-salesforce': { at: '/setup?step=salesforce', empty: true },
  'setup-flows': { at: '/setup?step=flows' },
  'setup-load': { at: '/setup?step=load' },
  'setup-runs': { at: '/setup?step=runs' },
};

for (const [name, { as = 'admin', empty, at, does }] of Object.entries(PAGES)) {
  for (const width of [1440, 390]) {
    test(`${name}, ${width}`, async ({ page }) => {
      await page.request.get(empty ? '/mock/reset?empty' : '/mock/reset');
      if (as !== '') await page.request.post('/api/v1/session', { data: { name: as, password: PASSWORD } });
      await page.clock.setFixedTime(SEEN_AT);
      const size = { width, height: width === 390 ? 844 : 900 };
      await page.setViewportSize(size);
      await page.goto(at);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await settled(page);
      await does?.(page, width);
      await settled(page);
      // A short message fades.
      await expect(page.locator('ui5-toast[open]')).toHaveCount(0, { timeout: 15_000 });
      // Lists that grow with the window make room again: once more.
      for (let times = 0; times < 2; times++) {
        const more = await page.evaluate(() => {
          const main = document.querySelector('.shell-main');
          return main ? main.scrollHeight - main.clientHeight : 0;
        });
        size.height = Math.min(HIGHEST, size.height + more);
        await page.setViewportSize(size);
        await settled(page);
      }
      await page.evaluate(() => {
        (document.activeElement as HTMLElement | null)?.blur();
        document.querySelector('.shell-main')?.scrollTo(0, 0);
        return document.fonts.ready;
      });
      await page.mouse.move(0, 0);
      mkdirSync(FOLDER, { recursive: true });
      for (const theme of ['light', 'dark'] as const) {
        await inTheme(page, theme);
        const seen = await page.screenshot({ animations: 'disabled' });
        writeFileSync(path.join(FOLDER, `${name}-${theme}-${width}.png`), withPalette(seen));
      }
    });
  }
}
