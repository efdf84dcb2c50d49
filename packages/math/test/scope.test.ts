import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import { add, keep, matmul, ShapeError, scope, type Tensor, tensor, unscoped, ValueError } from '../src/index.ts';

const fresh = () => {
  const backend = float64Backend();
  return { backend, live: () => backend.memory().buffers, x: () => tensor(backend, [1, 2, 3]) };
};

describe('scope', () => {
  it('disposes what was made inside and not returned', () => {
    const { live, x } = fresh();
    const kept = scope(() => {
      x();
      return add(x(), x());
    });
    expect(live()).toBe(1);
    kept.dispose();
    expect(live()).toBe(0);
  });

  it('lets tensors in arrays and plain objects out, at any depth', () => {
    const { live, x } = fresh();
    const result = scope(() => ({ a: x(), list: [x(), { b: x() }], n: 1, nothing: null, text: 'x', lost: x().shape }));
    expect(live()).toBe(3);
    expect(result.a.disposed).toBe(false);
    expect((result.list[1] as { b: Tensor }).b.disposed).toBe(false);
  });

  it('hands results to the enclosing scope, which disposes them in turn', () => {
    const { live, x } = fresh();
    scope(() => {
      const inner = scope(() => x());
      expect(inner.disposed).toBe(false);
      expect(live()).toBe(1);
    });
    expect(live()).toBe(0);
  });

  it('does not touch tensors from outside, returned or not', () => {
    const { live, x } = fresh();
    const outside = x();
    expect(scope(() => outside)).toBe(outside);
    scope(() => add(outside, outside));
    scope(() => void add(outside, outside));
    expect(outside.disposed).toBe(false);
    expect(live()).toBe(2);
  });

  it('leaves nothing live when the body throws', () => {
    const { live, x } = fresh();
    expect(() =>
      scope(() => {
        const inner = scope(() => x());
        matmul(inner, x());
      }),
    ).toThrow(ShapeError);
    expect(live()).toBe(0);
    // and the next scope is not the broken one's child
    const after = x();
    expect(after.disposed).toBe(false);
  });

  it('keep takes a tensor out', () => {
    const { live, x } = fresh();
    let kept: Tensor | undefined;
    scope(() => {
      kept = keep(x());
      x();
    });
    expect(live()).toBe(1);
    kept!.dispose();
    expect(live()).toBe(0);
  });

  it('unscoped hides the enclosing scopes, also from a throwing body', () => {
    const { live, x } = fresh();
    scope(() => {
      unscoped(() => x());
      expect(() => unscoped(() => matmul(x(), x()))).toThrow(ShapeError);
      x();
    });
    expect(live()).toBe(3);
  });

  it('refuses a promise', () => {
    const { live, x } = fresh();
    expect(() => scope(async () => x())).toThrow(ValueError);
    expect(live()).toBe(0);
  });
});
