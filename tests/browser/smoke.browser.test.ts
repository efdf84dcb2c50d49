import { expect, test } from 'vitest';

test('the page is cross-origin isolated and has a GPU', async () => {
  expect(crossOriginIsolated).toBe(true);
  expect(await navigator.gpu.requestAdapter()).not.toBeNull();
});
