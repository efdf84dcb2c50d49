import * as math from '@linattn/math';
import { type AttentionInputs, type HostAttentionOptions, linearAttentionBackward } from '@linattn/math/host';
import { engine, type Tensor, type TensorInfo, backend as tensorflow } from '@tensorflow/tfjs-core';
import type { Attend, Inputs } from './attend.ts';

/** What @linattn/kernels-webgpu has for sharing memory. Told by shape: it is no dependency. */
interface DeviceBackend extends math.Backend {
  readonly device: GPUDevice;
  adopt(buffer: GPUBuffer, shape: math.Shape): math.Tensor;
  deliver(results: readonly (readonly [math.Tensor, GPUBuffer])[]): void;
}

/** What tfjs-backend-webgpu's class has for it; told by shape, too. */
interface Framework {
  readonly device: GPUDevice;
  readonly tensorMap: { get(dataId: object): { readonly resource?: unknown } };
  uploadToGPU(dataId: object): void;
  makeTensorInfo(shape: number[], dtype: 'float32'): TensorInfo;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

export const sharesMemory = (backend: math.Backend): backend is DeviceBackend =>
  'device' in backend && 'adopt' in backend && 'deliver' in backend;

/**
 * On the GPU buffers of tfjs-backend-webgpu: kernels read its tensors in place and write into new ones of its own, in its queue. What
 * backward needs is kept as TensorFlow.js's tensors, and goes with its tape.
 * @throws UnsupportedError when TensorFlow.js does not run on WebGPU; ValueError when it runs on another device.
 */
export function attendOnDevice(backend: DeviceBackend): Attend {
  const framework = frameworkOf(backend);
  return (inputs, options) => {
    if (options.strict) {
      throw new math.UnsupportedError(
        backend.name,
        'strict',
        'denominators on a GPU cannot be looked at without waiting',
      );
    }
    const names = Object.keys(inputs);
    const [output, denominator, state] = compute(backend, framework, inputs, (adopted) => {
      const { q, k, v, ...optional } = adopted as unknown as AttentionInputs;
      const { output, denominator, state } = math.linearAttention(q, k, v, { ...options, ...optional });
      return state ? [output, denominator, state] : [output, denominator];
    });
    return {
      output,
      state,
      saved: [...names.map((name) => inputs[name]!), output, denominator],
      backward: (saved, upstream) => backward(backend, framework, names, saved, upstream, options),
    };
  };
}

function backward(
  backend: DeviceBackend,
  framework: Framework,
  names: readonly string[],
  saved: readonly Tensor[],
  { output: dO, state: dState }: { readonly output: Tensor; readonly state?: Tensor },
  options: HostAttentionOptions,
): Inputs {
  const inputs = Object.fromEntries(names.map((name, i) => [name, saved[i]]));
  const [o, g] = saved.slice(names.length);
  const wanted = names.filter((name) => name !== 'keyWeights') as (keyof ReturnType<typeof linearAttentionBackward>)[];
  const gradients = compute(backend, framework, { ...inputs, o, g, dO, dState }, ({ o, g, dO, dState, ...adopted }) => {
    const forward = { output: o, denominator: g };
    const upstream = { output: dO, state: dState as math.Tensor | undefined };
    const all = linearAttentionBackward(adopted as unknown as AttentionInputs, forward, upstream, options);
    return wanted.map((name) => all[name]!);
  });
  return Object.fromEntries(wanted.map((name, i) => [name, gradients[i]]));
}

/** Runs `body` on tensors of linattn over TensorFlow.js's memory; what it returns is TensorFlow.js's again. */
function compute(
  backend: DeviceBackend,
  framework: Framework,
  inputs: Inputs,
  body: (adopted: { readonly [name: string]: math.Tensor }) => readonly math.Tensor[],
): Tensor[] {
  const given = Object.entries(inputs).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
  const buffers = given.map(([, x]) => bufferOf(framework, x));
  // TensorFlow.js records, too: what it has not sent yet comes first.
  framework.ensureCommandEncoderReady();
  framework.endComputePassEncoder();
  framework.submitQueue();
  return math.unscoped(() =>
    math.untaped(() =>
      math.scope(() => {
        const adopted = given.map(([name, { shape }], i) => [name, backend.adopt(buffers[i], shape)] as const);
        const results = body(Object.fromEntries(adopted));
        const made = results.map(({ shape }) =>
          engine().makeTensorFromTensorInfo(framework.makeTensorInfo([...shape], 'float32')),
        );
        backend.deliver(results.map((result, i) => [result, bufferOf(framework, made[i])] as const));
        return made;
      }),
    ),
  );
}

/** A tensor's buffer. It is made, or filled from the host, where there is none yet. */
function bufferOf(framework: Framework, { dataId }: TensorInfo): GPUBuffer {
  // Asking moves numbers here that another backend of TensorFlow.js holds.
  framework.tensorMap.get(dataId);
  framework.uploadToGPU(dataId);
  const { resource } = framework.tensorMap.get(dataId);
  if (resource instanceof GPUBuffer) return resource;
  throw new math.UnsupportedError('tfjs webgpu', 'a tensor that is no buffer', 'give a tensor of numbers');
}

function frameworkOf({ name, device }: DeviceBackend): Framework {
  const framework = tensorflow() as unknown as Partial<Framework>;
  if (!framework.uploadToGPU || !framework.tensorMap || !framework.submitQueue) {
    throw new math.UnsupportedError(
      name,
      'reading without waiting',
      "run TensorFlow.js on tfjs-backend-webgpu (tf.setBackend('webgpu')), or use a backend that has downloadSync, such as wasm",
    );
  }
  if (framework.device === device) return framework as Framework;
  throw new math.ValueError(
    'backend',
    'a backend on a device of its own',
    "one on TensorFlow.js's: webgpuBackend({ device: tf.backend().device })",
  );
}
