import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import {
  add,
  type Backend,
  DenominatorError,
  deferCheck,
  linearAttention,
  reshape,
  ShapeError,
  scope,
  TensorUseError,
  tensor,
  unscoped,
} from '../src/index.ts';

describe('Tensor', () => {
  const backend = float64Backend();
  const live = () => backend.memory().buffers;

  it('reads back what was uploaded', async () => {
    const x = tensor(backend, [1.5, -2, 3, 4, 5, 6], [2, 3]);
    expect([x.size, x.rank, x.shape, x.dtype, x.disposed]).toEqual([6, 2, [2, 3], 'float', false]);
    expect([...(await x.read())]).toEqual([1.5, -2, 3, 4, 5, 6]);
    expect(await tensor(backend, 7).item()).toBe(7);
    const ids = tensor(backend, [3, -1], [2], { dtype: 'int32' });
    expect(await ids.read()).toEqual(Int32Array.of(3, -1));
  });

  it('copies: neither the source nor what was read is shared', async () => {
    const source = Float64Array.of(1, 2);
    const x = tensor(backend, source);
    source[0] = 9;
    (await x.read())[1] = 9;
    expect([...(await x.read())]).toEqual([1, 2]);
  });

  it('keeps its shape when the array that gave it changes', () => {
    const shape = [2, 2];
    const x = tensor(backend, [1, 2, 3, 4], shape);
    shape[0] = 4;
    expect(x.shape).toEqual([2, 2]);
  });

  it('views share a buffer that lives as long as one of them', async () => {
    const before = live();
    const x = tensor(backend, [1, 2, 3, 4]);
    const y = x.view([2, 2]);
    const z = reshape(y, [4, 1]);
    expect(live()).toBe(before + 1);
    expect(x.sharesStorage(z)).toBe(true);
    x.dispose();
    y.dispose();
    expect([...(await z.read())]).toEqual([1, 2, 3, 4]);
    expect(live()).toBe(before + 1);
    z.dispose();
    z.dispose();
    expect(live()).toBe(before);
  });

  it('throws on every use after dispose, but not on another dispose', async () => {
    const x = tensor(backend, [1, 2]);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(() => x.handle).toThrow(TensorUseError);
    expect(() => x.view()).toThrow(TensorUseError);
    expect(() => add(x, x)).toThrow(TensorUseError);
    expect(() => reshape(x, [2, 1])).toThrow(TensorUseError);
    await expect(x.read()).rejects.toThrow(TensorUseError);
    expect(() => tensor(backend, [1, 2]).assign(x)).toThrow(TensorUseError);
  });

  it('assign takes over the next buffer, and views keep the old one', async () => {
    const before = live();
    const parameter = tensor(backend, [1, 2]);
    const old = parameter.view();
    const next = tensor(backend, [3, 4]);
    const { id } = parameter;
    parameter.assign(next);
    expect(next.disposed).toBe(true);
    expect(parameter.id).toBe(id);
    expect([...(await parameter.read())]).toEqual([3, 4]);
    expect([...(await old.read())]).toEqual([1, 2]);
    old.dispose();
    parameter.assign(parameter);
    parameter.assign(parameter.view());
    expect([...(await parameter.read())]).toEqual([3, 4]);
    parameter.dispose();
    expect(live()).toBe(before);
  });

  it('assign outlives the scope that made the next value', async () => {
    const parameter = tensor(backend, [1, 2]);
    scope(() => parameter.assign(add(parameter, parameter)));
    expect([...(await parameter.read())]).toEqual([2, 4]);
  });

  it('assign refuses another size, dtype or backend', () => {
    const x = tensor(backend, [1, 2]);
    expect(() => x.assign(tensor(backend, [1, 2, 3]))).toThrow(TensorUseError);
    expect(() => x.assign(tensor(backend, [1, 2], [2], { dtype: 'int32' }))).toThrow(TensorUseError);
    expect(() => x.assign(tensor(float64Backend(), [1, 2]))).toThrow(TensorUseError);
    expect(x.disposed).toBe(false);
  });

  it('item wants a single element', async () => {
    await expect(tensor(backend, [1, 2]).item()).rejects.toThrow(ShapeError);
    expect(await tensor(backend, [4], [1, 1]).item()).toBe(4);
  });

  it('a read that was asked for survives the dispose and the scope that follow', async () => {
    const before = live();
    const [x, read] = unscoped(() => {
      const made = tensor(backend, [1, 2]);
      return [made, made.read()] as const;
    });
    x.dispose();
    expect([...(await read)]).toEqual([1, 2]);
    let inside: Promise<ArrayLike<number>> | undefined;
    scope(() => {
      inside = tensor(backend, [3, 4]).read();
    });
    expect(Array.from(await inside!)).toEqual([3, 4]);
    expect(live()).toBe(before);
  });

  it('a read shows the numbers of its moment, not those that a later update in place leaves', async () => {
    const x = tensor(backend, [1, 2]);
    const read = x.read();
    (x.handle as Float64Array).fill(0);
    expect([...(await read)]).toEqual([1, 2]);
  });
});

describe('deferred checks', () => {
  // Keys opposite to the queries: f = 1 + q·k < 0.
  const negative = (backend: Backend) => {
    const [q, k] = [2, -2].map((value) => tensor(backend, [value], [1, 1, 1, 1]));
    return linearAttention(q, k, q, { strict: true });
  };

  it('a strict denominator fails the next read, once', async () => {
    const backend = float64Backend();
    const { output } = negative(backend);
    await expect(output.read()).rejects.toMatchObject({ code: 'DENOMINATOR', argument: 'g', given: -3 });
    expect([...(await output.read())]).toEqual([2]);
  });

  it('a NaN denominator fails too', async () => {
    const backend = float64Backend();
    // q·k = ∞ - ∞
    const q = tensor(backend, [1e200, 1e200], [1, 1, 1, 2]);
    const k = tensor(backend, [1e200, -1e200], [1, 1, 1, 2]);
    const { output, denominator } = linearAttention(q, k, k, { strict: true });
    await expect(output.read()).rejects.toThrow(DenominatorError);
    expect((await denominator.read()).some(Number.isNaN)).toBe(true);
  });

  it('a positive denominator passes, and the check leaves nothing live', async () => {
    const backend = float64Backend();
    await scope(() => {
      const x = tensor(backend, [1, 2], [1, 2, 1, 1]);
      const { output } = linearAttention(x, x, x, { strict: true });
      return { read: output.read() };
    }).read;
    expect(backend.memory().buffers).toBe(0);
  });

  it('run in order, at the next read on their backend only; all are dropped when one throws', async () => {
    const backend = float64Backend();
    const seen: number[] = [];
    const check = (value: number, fail = false) =>
      deferCheck(
        unscoped(() => tensor(backend, value)),
        ({ 0: read }) => {
          seen.push(read);
          if (fail) throw new RangeError(`${read}`);
        },
      );
    check(1);
    check(2, true);
    check(3);
    await tensor(float64Backend(), 0).read();
    expect(seen).toEqual([]);
    const x = tensor(backend, 0);
    await expect(x.read()).rejects.toThrow(RangeError);
    expect(seen).toEqual([1, 2]);
    await x.read();
    expect(seen).toEqual([1, 2]);
    x.dispose();
    expect(backend.memory().buffers).toBe(0);
  });

  it('strict works inside a tape and a scope', async () => {
    const backend = float64Backend();
    const output = scope(() => negative(backend).output);
    await expect(output.read()).rejects.toThrow(DenominatorError);
    output.dispose();
    expect(backend.memory().buffers).toBe(0);
  });
});
