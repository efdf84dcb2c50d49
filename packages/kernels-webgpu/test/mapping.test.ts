import { expect, test } from 'vitest';
import { untilMapped } from '../src/runtime/mapping.ts';

/** A queue whose device notices that it is done when work is submitted, and at no other time. */
function lazyQueue(submissions: number) {
  let submitted = 0;
  let settle: (error?: Error) => void = () => {};
  const mapping = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  const queue = {
    submit: (work: readonly unknown[]) => {
      expect(work).toEqual([]);
      if (++submitted === submissions) settle();
    },
  } as unknown as GPUQueue;
  return { queue, mapping, settle, submitted: () => submitted };
}

test('a device that looks only when work is submitted gets nothing to do until the buffer is mapped, and not after', async () => {
  const { queue, mapping, submitted } = lazyQueue(3);
  await untilMapped(queue, mapping, true);
  expect(submitted()).toBe(3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(submitted()).toBe(3);
});

test('a mapping that fails is told', async () => {
  const { queue, mapping, settle } = lazyQueue(Number.POSITIVE_INFINITY);
  setTimeout(() => settle(new Error('lost')), 5);
  await expect(untilMapped(queue, mapping, true)).rejects.toThrow('lost');
});

test('other devices are left alone', async () => {
  const { queue, mapping, settle, submitted } = lazyQueue(1);
  setTimeout(() => settle(), 5);
  await untilMapped(queue, mapping);
  expect(submitted()).toBe(0);
});
