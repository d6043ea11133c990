import { availableParallelism } from 'node:os';
import { defineConfig } from '@playwright/test';

/** The first one's; each worker has a mock of its own, one port further. */
const PORT = 4184;
const WORKERS = Math.min(4, availableParallelism());

/** Pictures of each page for docs/pictures/console, from the mock at one and the same moment. */
export default defineConfig({
  testDir: 'tests/pictures',
  testMatch: 'pictures.ts',
  outputDir: 'test-results',
  workers: WORKERS,
  fullyParallel: true,
  timeout: 60_000,
  // A page may take its time where others work on the machine, too.
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    baseURL: `http://127.0.0.1:${PORT}`,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    actionTimeout: 10_000,
    contextOptions: { reducedMotion: 'reduce' },
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' },
    trace: 'off',
  },
  webServer: Array.from({ length: WORKERS }, (_, worker) => ({
    command: `npx vite preview --mode mock --port ${PORT + worker}`,
    url: `http://127.0.0.1:${PORT + worker}/`,
    env: { TANDEM_MOCK_NOW: '2026-11-27T14:32:00.000Z' },
    reuseExistingServer: false,
  })),
});
