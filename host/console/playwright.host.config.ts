import { defineConfig } from '@playwright/test';

// Against a real host: `TANDEM` is its address; who starts it says what there is (tests/e2e/tests/console/pages.rs).
export default defineConfig({
  testDir: 'tests/host',
  outputDir: 'test-results',
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    baseURL: process.env.TANDEM ?? 'http://127.0.0.1:8484',
    locale: 'en-GB',
    viewport: { width: 1440, height: 900 },
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' },
    trace: 'off',
  },
});
