import { afterEach, beforeEach } from 'vitest';

// A warning that nobody asked for is a defect: tests that expect one replace the method themselves (`vi.spyOn(console, 'warn')`).

const methods = ['warn', 'error'] as const;
const own = Object.fromEntries(methods.map((method) => [method, console[method]]));
let heard: string[] = [];

beforeEach(() => {
  heard = [];
  for (const method of methods) {
    console[method] = (...values: unknown[]) => {
      heard.push(`console.${method}: ${values.map(String).join(' ')}`);
      own[method](...values);
    };
  }
});

afterEach(() => {
  Object.assign(console, own);
  if (heard.length > 0) throw new Error(`The test printed what it did not expect:\n${heard.join('\n')}`);
});
