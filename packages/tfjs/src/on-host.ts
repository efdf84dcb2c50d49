import type { Backend } from '@linattn/math';
import { attendBackward, attendForward, type HostArray, type HostAttentionInputs } from '@linattn/math/host';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { Attend, Inputs } from './attend.ts';

/** Numbers leave TensorFlow.js by `dataSync` and come back as new tensors, whatever it computes on. */
export const attendOnHost =
  (backend: Backend): Attend =>
  (inputs, options) => {
    const arrays = onHost(inputs) as unknown as HostAttentionInputs;
    const forward = attendForward(backend, arrays, options);
    const { output, denominator, state } = forward;
    return {
      output: toTensor(output),
      state: state && toTensor(state),
      // Numbers that backward needs stay on the host: as tensors they would have to be read a second time.
      saved: [],
      backward: (_, upstream) => {
        const gradients = attendBackward(backend, arrays, { output, denominator }, onHost(upstream), options);
        return Object.fromEntries(
          Object.entries(gradients).map(([name, array]) => [name, array && toTensor(array as HostArray)]),
        );
      },
    };
  };

const onHost = (tensors: Inputs): { readonly [name: string]: HostArray } =>
  Object.fromEntries(
    Object.entries(tensors).flatMap(([name, x]) =>
      x ? [[name, { shape: x.shape, values: x.dataSync<'float32'>() }]] : [],
    ),
  );

/** @param array in float64 where the backend computes so. */
const toTensor = ({ shape, values }: HostArray): Tensor =>
  tensor(values instanceof Float32Array ? values : Float32Array.from(values), [...shape]);
