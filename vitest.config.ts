import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { hasChromium, launchOptions } from './tools/test-report/chromium.ts';

// Tests and type checks read the packages' sources, never dist.
const resolve = { conditions: ['@linattn/source'] };

if (!hasChromium) {
  console.warn(`No Chromium at ${launchOptions.executablePath}: browser tests are skipped (set CHROMIUM_BIN).`);
}

const node = {
  extends: true as const,
  ssr: { resolve },
  test: {
    name: 'node',
    include: ['packages/*/test/**/*.test.ts', 'tools/*/test/**/*.test.ts', 'tests/*/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/*.browser.test.ts'],
    globalSetup: ['./tools/test-report/prepare.ts'],
    setupFiles: ['./tools/test-report/quiet-console.ts'],
  },
};

const browser = {
  extends: true as const,
  // Cross-origin isolation: SharedArrayBuffer, and with it WASM threads.
  server: {
    headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
  },
  test: {
    name: 'browser',
    include: ['packages/*/test/**/*.browser.test.ts', 'tests/browser/**/*.browser.test.ts'],
    globalSetup: ['./tools/test-report/prepare.ts'],
    setupFiles: ['./tools/test-report/quiet-console.ts'],
    browser: {
      enabled: true,
      headless: true,
      provider: playwright({ launchOptions }),
      instances: [{ browser: 'chromium' as const }],
      screenshotFailures: false,
    },
  },
};

export default defineConfig({
  resolve,
  test: {
    testTimeout: 120_000,
    reporters: ['default', './tools/test-report/plain-line.ts'],
    coverage: { provider: 'v8', include: ['packages/*/src/**'], reporter: ['text-summary', 'html'] },
    projects: hasChromium ? [node, browser] : [node],
  },
});
