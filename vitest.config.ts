import { defineConfig } from 'vitest/config';

// Tests and type checks read the packages' sources, never dist: no build is needed to run them.
const conditions = ['@linattn/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'tools/*/test/**/*.test.ts', 'tests/*/**/*.test.ts'],
    testTimeout: 60_000,
  },
});
