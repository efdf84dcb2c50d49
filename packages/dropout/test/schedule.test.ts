import { ValueError } from '@linattn/math';
import { describe, expect, it } from 'vitest';
import { type DecayName, decays, rateSchedule } from '../src/index.ts';

const names = Object.keys(decays) as DecayName[];

describe('rateSchedule', () => {
  it('starts at the rate and, but for constant, ends at exactly 0', () => {
    for (const decay of names) {
      const rate = rateSchedule({ rate: 0.3, decay });
      expect(rate(0)).toBe(0.3);
      expect(rate(1)).toBe(decay === 'constant' ? 0.3 : 0);
    }
  });

  it('never rises and stays within the rate', () => {
    for (const decay of names) {
      for (const until of [0.3, 1]) {
        const rate = rateSchedule({ rate: 0.9, decay, until });
        const values = Array.from({ length: 1001 }, (_, i) => rate(i / 1000));
        expect(values.every((value, i) => value >= 0 && value <= (values[i - 1] ?? 0.9))).toBe(true);
      }
    }
  });

  it('follows its formulas', () => {
    expect(rateSchedule({ rate: 0.2 })(0.25)).toBeCloseTo(0.15, 15);
    expect(rateSchedule({ rate: 0.2, decay: 'cosine' })(0.25)).toBeCloseTo(0.1 * (1 + Math.SQRT1_2), 15);
    const step = rateSchedule({ rate: 0.5, decay: 'step' });
    expect([0.249, 0.25, 0.499, 0.5, 0.75, 0.999].map((progress) => step(progress) / 0.5)).toEqual([
      1, 0.75, 0.75, 0.5, 0.25, 0.25,
    ]);
    expect(rateSchedule({ rate: 0.2, decay: (progress) => (1 - progress) ** 2 })(0.5)).toBeCloseTo(0.05, 15);
  });

  it('ends at `until`', () => {
    const rate = rateSchedule({ rate: 0.2, until: 0.8 });
    expect(rate(0.4)).toBeCloseTo(0.1, 15);
    expect([0.8, 0.9, 1].map(rate)).toEqual([0, 0, 0]);
  });

  it('refuses bad schedules, progress and decays by name', () => {
    const argumentOf = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return error instanceof ValueError ? error.argument : error;
      }
    };
    expect(argumentOf(() => rateSchedule({ rate: 1 }))).toBe('rate');
    expect(argumentOf(() => rateSchedule({ rate: Number.NaN }))).toBe('rate');
    expect(argumentOf(() => rateSchedule({ rate: 0.1, until: 0 }))).toBe('until');
    expect(argumentOf(() => rateSchedule({ rate: 0.1, until: 1.1 }))).toBe('until');
    expect(argumentOf(() => rateSchedule({ rate: 0.1, decay: 'toString' as DecayName }))).toBe('decay');
    for (const progress of [-0.1, 1.1, Number.NaN]) {
      expect(argumentOf(() => rateSchedule({ rate: 0.1 })(progress))).toBe('progress');
    }
    for (const value of [-0.1, 1.1, Number.NaN]) {
      expect(argumentOf(() => rateSchedule({ rate: 0.1, decay: () => value })(0.5))).toBe('decay(progress)');
    }
  });
});
