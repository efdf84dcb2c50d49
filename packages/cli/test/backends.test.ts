import { expect, test } from 'vitest';
import { backends, findBackend, openBackend } from '../src/backends.ts';
import { UsageError } from '../src/errors.ts';

test('every backend says whether it works, and those that do compute', async () => {
  for (const { name, available, create } of backends) {
    const availability = await available();
    if (!availability.ok) {
      expect(availability.reason).not.toBe('');
      continue;
    }
    const backend = await create();
    expect(backend.name).toBe(name);
    await backend.dispose();
  }
});

test('auto opens the first automatic backend that works', async () => {
  const backend = await openBackend('auto');
  const working = [];
  for (const { name, available } of backends) {
    const availability = await available();
    if (availability.ok && availability.automatic) working.push(name);
  }
  expect(backend.name).toBe(working[0]);
  await backend.dispose();
});

test('an unknown backend is refused with the names there are', () => {
  expect(() => findBackend('cuda')).toThrow(UsageError);
  expect(() => findBackend('cuda')).toThrow(/^--backend: there is no backend cuda; choose auto, .*float64$/);
});
