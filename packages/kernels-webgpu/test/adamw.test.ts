import { affine, fill, mul, scope, slice, sum, type Tensor, tensor } from '@linattn/math';
import { adamW } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import { usage } from '../src/runtime/flags.ts';
import { bufferOf, Gpu, gridOf } from '../src/runtime/gpu.ts';
import { type Buffer, BufferPool } from '../src/runtime/pool.ts';
import { bits } from '../src/runtime/recorder.ts';
import { launchesOf } from '../src/training/adamw.ts';
import { open } from './adapter.ts';

/** A parameter a launch, each in buffers of its own: what the fused kernel must give, bit by bit. */
const alone = `
struct Params { count: u32, rate: f32, beta1: f32, beta2: f32, epsilon: f32, kept: f32, correction2: f32, rest1: f32, rest2: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read> scale: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  let g = gradient[at] * scale[0];
  let m = p.beta1 * moment1[at] + p.rest1 * g;
  let v = p.beta2 * moment2[at] + p.rest2 * g * g;
  moment1[at] = m;
  moment2[at] = v;
  parameter[at] = p.kept * parameter[at] - p.rate * m / (sqrt(v * p.correction2) + p.epsilon);
}`;

const rates = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, learningRate: 3e-2 };
const shapes = [[40, 33], [1], [257], [3], [64, 20], [1000], [5], [2, 2], [70], [256], [9, 9]];
const decays = shapes.map(({ length }, i) => (length === 2 ? 0.1 + i / 100 : 0));
const sizes = shapes.map((shape) => shape.reduce((x, y) => x * y));
const numbers = (size: number, key: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + key));
const gradientAt = (i: number, step: number) => numbers(sizes[i], 100 * step + i);
const scale = 0.37;

test('launches: of one home, or together small enough for a new one', () => {
  const part = (whole: string | undefined, offset = 0) => ({ whole, offset }) as unknown as Buffer;
  const fresh = (size: number) => ({ size, state: [part(undefined), part(undefined), part(undefined)] });
  const settled = (homes: string, ...offsets: number[]) => ({
    size: 64,
    state: [...homes].map((whole, i) => part(whole, offsets[i] ?? offsets[0])),
  });
  const cut = (groups: ReturnType<typeof fresh>[]) => launchesOf(groups, 1024).map(({ length }) => length);
  expect(cut([])).toEqual([]);
  expect(cut([1, 1, 1, 1, 1].map(fresh))).toEqual([4, 1]);
  // 512 bytes, and three times 256 with the rest.
  expect(cut([128, 65, 1, 1, 1].map(fresh))).toEqual([2, 3]);
  expect(cut([settled('pmv', 0), settled('pmv', 256), settled('qmv', 0), settled('qmv', 256)])).toEqual([2, 2]);
  // Where one of the three was replaced, the parameter needs a new home.
  expect(cut([settled('pmv', 0), settled('pmv', 0, 256, 256), fresh(1), settled('pmv', 512)])).toEqual([1, 2, 1]);
});

test('an update that fails gives back what it took, parts too', () => {
  const limits = { maxBufferSize: 2 ** 20, maxStorageBufferBindingSize: 2 ** 20 };
  const device = { limits, createBuffer: () => ({ destroy: () => undefined }) } as unknown as GPUDevice;
  const pool = new BufferPool(device);
  const failing = () => {
    pool.cut(pool.take('whole', 1024), [256, 768]);
    throw new Error('no');
  };
  expect(() => pool.attempt(failing)).toThrow('no');
  expect(pool.memory()).toMatchObject({ buffers: 0, bytes: 0, pooledBytes: 1024 });
});

for (const limits of ['adapter', 'default'] as const) {
  const backend = await open({ limits });
  const missing = typeof backend === 'string' ? backend : undefined;
  if (missing) console.warn(`AdamW in WebGPU is skipped: ${missing}`);

  describe.skipIf(missing !== undefined)(`AdamW under ${limits} limits`, () => {
    if (typeof backend === 'string') return;
    afterAll(() => backend.dispose());
    const most = Math.min(14, backend.device.limits.maxStorageBuffersPerShaderStage - 1);

    const make = (count = shapes.length) =>
      shapes.slice(0, count).map((shape, i) => ({
        parameter: tensor(backend, numbers(sizes[i], i), shape),
        moment1: fill(backend, shape, 0),
        moment2: fill(backend, shape, 0),
      }));
    type State = ReturnType<typeof make>;
    /** With gradients from the host, or (`made`) from kernels. */
    const update = (state: State, step: number, { made = false, decay = decays } = {}) => {
      const gradients = state.map(({ parameter }, i) =>
        scope(() => {
          const values = gradientAt(i, step);
          if (!made) return tensor(backend, values, parameter.shape);
          return affine(
            tensor(
              backend,
              values.map((x) => x / 2),
              parameter.shape,
            ),
            2,
            0,
          );
        }),
      );
      const factor = tensor(backend, scale);
      adamW(
        state.map((each, i) => ({ ...each, gradient: gradients[i] })),
        factor,
        { ...rates, step, weightDecay: decay },
      );
      for (const each of [...gradients, factor]) each.dispose();
    };
    const tensorsOf = (state: State): Tensor[] => state.flatMap((each) => Object.values(each));
    const read = (state: State) => Promise.all(tensorsOf(state).map((each) => each.read()));
    const free = (state: State) => {
      for (const each of tensorsOf(state)) each.dispose();
    };

    /** `steps` updates, a parameter a launch. */
    const expected = async (steps: number) => {
      const gpu = new Gpu(backend.device, { software: true, wholeVectors: true });
      const factor = gpu.upload(Float32Array.of(scale));
      const state = sizes.map((size, i) => [
        gpu.upload(numbers(size, i)),
        ...[0, 1].map(() => gpu.upload(new Float32Array(size))),
      ]);
      for (let step = 1; step <= steps; step++) {
        state.forEach((buffers, i) => {
          const { beta1, beta2, epsilon, learningRate } = rates;
          const rate = learningRate / (1 - beta1 ** step);
          const rest = [1 - learningRate * decays[i], 1 / (1 - beta2 ** step), 1 - beta1, 1 - beta2];
          const gradient = gpu.upload(gradientAt(i, step));
          gpu.run(
            { name: 'alone', source: alone, constants: {} },
            [...buffers, gradient, factor],
            [sizes[i], ...[rate, beta1, beta2, epsilon, ...rest].map(bits)],
            gridOf(sizes[i], 256),
          );
        });
      }
      const found: Float32Array[] = [];
      for (const [i, buffers] of state.entries()) {
        for (const buffer of buffers) found.push(new Float32Array(await gpu.download(buffer, 4 * sizes[i])));
      }
      gpu.dispose();
      return found;
    };

    test('many parameters a launch, with the bits of one a launch', async () => {
      const state = make();
      for (let step = 1; step <= 3; step++) update(state, step);
      expect(await read(state)).toEqual(await expected(3));
      free(state);
    });

    test('gradients of the same submission, with the same bits', async () => {
      const state = make();
      for (let step = 1; step <= 3; step++) update(state, step, { made: true });
      expect(await read(state)).toEqual(await expected(3));
      free(state);
    });

    test.skipIf(!backend.device.features.has('timestamp-query'))('in one launch', async () => {
      const state = make();
      update(state, 1);
      await backend.submit();
      update(state, 2, { made: true });
      const names = (await backend.submitTimed(true)).map(({ name }) => name);
      expect(names).toEqual([...shapes.map(() => 'elementwise'), 'adamW']);
      // What the host wrote is copied, as much at a time as bindings allow.
      update(state, 3);
      const copying = (await backend.submitTimed(true)).map(({ name }) => name);
      expect(copying).toEqual([...Array(Math.ceil(shapes.length / most)).fill('gather'), 'adamW']);
      free(state);
    });

    test('a gradient that another is made of, one that is two, and those of an earlier submission', async () => {
      const state = make(6);
      const alike = make(6);
      const run = (of: State, gradients: readonly Tensor[], step: number) => {
        const factor = tensor(backend, scale);
        const weightDecay = of.map(() => 0);
        adamW(
          of.map((each, i) => ({ ...each, gradient: gradients[i] })),
          factor,
          { ...rates, step, weightDecay },
        );
        factor.dispose();
      };
      const held: Tensor[] = [];
      for (let step = 1; step <= 2; step++) {
        const flat = (i: number) => tensor(backend, gradientAt(i, step), shapes[i]);
        const earlier = affine(flat(0), 1, 0);
        await backend.submit();
        const first = affine(flat(2), 1, 0);
        const ofFirst = slice(first, 0, 0, 3);
        const square = mul(flat(4), flat(4));
        const last = affine(flat(5), 1, 0);
        const made = [earlier, sum(last, [0], true), first, ofFirst, square, last];
        run(state, made, step);
        held.push(...made);
        const values = await Promise.all(made.map((each) => each.read()));
        const given = values.map((each, i) => tensor(backend, each, shapes[i]));
        run(alike, given, step);
        for (const each of given) each.dispose();
        expect(values[2]).toEqual(gradientAt(2, step));
        expect(values[3]).toEqual(gradientAt(2, step).slice(0, 3));
        expect(values[1][0]).toBeCloseTo(
          gradientAt(5, step).reduce((x, y) => x + y),
          4,
        );
      }
      expect(await read(state)).toEqual(await read(alike));
      // Held over the next step, they are what they were.
      expect(await held[2].read()).toEqual(gradientAt(2, 1));
      expect(await held[5].read()).toEqual(gradientAt(5, 1));
      for (const each of held) each.dispose();
      free(state);
      free(alike);
    });

    test('a gradient of two parameters', async () => {
      const make = () => [1, 2].map((key) => tensor(backend, numbers(300, key)));
      const update = (parameters: readonly Tensor[], gradients: readonly Tensor[]) => {
        const factor = tensor(backend, scale);
        const moments = parameters.map(({ shape }) => [fill(backend, shape, 0), fill(backend, shape, 0)]);
        adamW(
          parameters.map((parameter, i) => ({
            parameter,
            gradient: gradients[i],
            moment1: moments[i][0],
            moment2: moments[i][1],
          })),
          factor,
          { ...rates, step: 1, weightDecay: [0, 0.1] },
        );
        for (const each of [factor, ...moments.flat()]) each.dispose();
      };
      const [shared, apart] = [make(), make()];
      const gradient = affine(tensor(backend, numbers(300, 3)), 1);
      update(shared, [gradient, gradient]);
      const values = await gradient.read();
      update(
        apart,
        [0, 1].map(() => tensor(backend, values)),
      );
      const read = (tensors: readonly Tensor[]) => Promise.all(tensors.map((each) => each.read()));
      expect(await read(shared)).toEqual(await read(apart));
      expect((await read(shared))[0]).not.toEqual(numbers(300, 1));
      for (const each of [...shared, ...apart, gradient]) each.dispose();
    });

    test('a warm step allocates nothing, and all is given back', async () => {
      const before = backend.memory();
      const state = make();
      for (let step = 1; step <= 2; step++) {
        update(state, step, { made: true });
        await backend.submit();
      }
      const warm = backend.memory();
      expect(warm.buffers).toBe(before.buffers + 3 * shapes.length);
      const handles = tensorsOf(state).map(bufferOf);
      for (let step = 3; step <= 6; step++) {
        update(state, step, { made: true });
        await backend.submit();
      }
      expect(backend.memory()).toEqual(warm);
      expect(tensorsOf(state).map(bufferOf)).toEqual(handles);
      free(state);
      expect(backend.memory()).toMatchObject({ buffers: before.buffers, bytes: before.bytes });
      backend.trim();
      expect(backend.memory().pooledBytes).toBe(0);
    });

    test('parameters replaced or freed between steps', async () => {
      const state = make();
      update(state, 1);
      // As a restored checkpoint would.
      const values = await state[2].parameter.read();
      state[2].parameter.assign(tensor(backend, values, state[2].parameter.shape));
      update(state, 2);
      await backend.submit();
      const [last] = state.splice(-1);
      free([last]);
      update(state, 3);
      const found = await read(state);
      expect(found).toEqual((await expected(3)).slice(0, found.length));
      free(state);
    });

    test('a gradient that lies in what the launch writes', async () => {
      const state = make(2);
      update(state, 1);
      const values = await state[1].moment1.read();
      const once = async (gradient: Tensor) => {
        const copies = state.map((each) =>
          tensor(backend, new Float32Array(each.parameter.size), each.parameter.shape),
        );
        const factor = fill(backend, [], 1);
        const groups = [state[0], { ...state[1], gradient }].map((each, i) => ({ gradient: copies[i], ...each }));
        adamW(groups, factor, { ...rates, step: 2, weightDecay: [0, 0] });
        for (const each of [...copies, factor]) each.dispose();
        return read(state);
      };
      const start = await read(state);
      const found = await once(state[1].moment1);
      tensorsOf(state).forEach((each, i) => {
        each.assign(tensor(backend, start[i], each.shape));
      });
      const gradient = tensor(backend, values, [1]);
      expect(found).toEqual(await once(gradient));
      gradient.dispose();
      free(state);
    });

    test('a parameter is delivered from where it lies', async () => {
      const state = make();
      update(state, 1);
      const values = await state[4].moment2.read();
      const to = backend.device.createBuffer({
        size: 4 * sizes[4],
        usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST,
      });
      backend.deliver([[state[4].moment2, to]]);
      const shown = backend.adopt(to, shapes[4]);
      expect(await shown.read()).toEqual(values);
      shown.dispose();
      to.destroy();
      free(state);
    });
  });
}
