import { availableParallelism } from 'node:os';
import { defineConfig } from '@playwright/test';

/** The first one's; each worker has a mock of its own, one port further (tests/browser/console.ts). */
const PORT = 4174;
const WORKERS = Math.min(4, availableParallelism());

export default defineConfig({
  testDir: 'tests/browser',
  outputDir: 'test-results',
  workers: WORKERS,
  fullyParallel: true,
  // A page may take its time where others work on the machine, too; what hangs is still ended.
  timeout: 240_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    baseURL: `http://127.0.0.1:${PORT}`,
    locale: 'en-GB',
    viewport: { width: 1440, height: 900 },
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' },
    trace: 'off',
  },
  webServer: Array.from({ length: WORKERS }, (_, worker) => ({
    command: `npx vite preview --mode mock --port ${PORT + worker}`,
    url: `http://127.0.0.1:${PORT + worker}/`,
    reuseExistingServer: false,
  })),
});
