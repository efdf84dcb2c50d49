import { expect, test, vi } from 'vitest';
import { Plan } from '../src/training/plan.ts';

const rate = { learningRate: 1, warmup: 10 };

test('by steps: warm-up, cosine, floor, whatever the time', () => {
  const plan = new Plan({ steps: 100, ...rate });
  expect(plan.progress(50)).toBe(0.5);
  expect(plan.learningRate(0)).toBeCloseTo(0.1, 3);
  expect(plan.learningRate(9)).toBeGreaterThan(0.97);
  expect(plan.learningRate(50)).toBeCloseTo(0.55, 12);
  expect(plan.learningRate(100)).toBeCloseTo(0.1, 12);
});

test('by time: progress and rate follow the clock, the time of former processes included', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const plan = new Plan({ minutes: 2, ...rate }, 30);
    vi.advanceTimersByTime(30_000);
    expect(plan.seconds).toBeCloseTo(60, 9);
    expect(plan.progress(20)).toBeCloseTo(0.5, 9);
    expect(plan.learningRate(20)).toBeCloseTo(0.55, 9);
    expect(plan.secondsLeft(20)).toBeCloseTo(60, 9);
    vi.advanceTimersByTime(100_000);
    expect(plan.progress(21)).toBe(1);
    expect(plan.secondsLeft(21)).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('by both: whichever ends first', () => {
  const plan = new Plan({ steps: 10, minutes: 60, ...rate });
  expect(plan.progress(5)).toBe(0.5);
  expect(plan.progress(10)).toBe(1);
});
