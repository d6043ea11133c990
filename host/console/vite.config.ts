import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { leanThemes } from './build/lean-themes.ts';
import { mock } from './mock/plugin.ts';

/** What the host sends with each page; the preview sends it too, so that the browser tests run under it. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The host whose API the development server passes on; without it the one that `tandem run` starts here. */
const host = process.env.TANDEM ?? 'http://127.0.0.1:8420';

export default defineConfig(({ mode }) => ({
  plugins: [react(), leanThemes(import.meta.dirname), ...(mode === 'mock' ? [mock()] : [])],
  build: {
    target: 'es2023',
    manifest: true,
    // A font as a data: address would be refused by the policy.
    assetsInlineLimit: 0,
    // The polyfill is old browsers' alone.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
  },
  server: {
    host: '127.0.0.1',
    port: 5173,
    proxy: mode === 'mock' ? undefined : { '/api': { target: host, changeOrigin: true } },
  },
  preview: { host: '127.0.0.1', port: 4173, strictPort: true, headers: { 'Content-Security-Policy': POLICY } },
  test: { include: ['tests/unit/**/*.test.ts'], environment: 'jsdom' },
}));
