/// <reference path="../wgsl.d.ts" />
import type { MatrixUnits } from '../runtime/matrix-units.ts';
import chunk from './chunk.wgsl?raw';
import largest from './largest.wgsl?raw';
import product from './product.wgsl?raw';
import productUnits from './product-units.wgsl?raw';
import tile from './tile.wgsl?raw';
import units from './units.wgsl?raw';

export type { MatrixUnits } from '../runtime/matrix-units.ts';

const directives = `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
`;

/**
 * Matrix products, and attention with heads of 33 to 64 numbers, on matrix units: for `webgpuBackend({ matrixUnits })`. They multiply halves
 * (f16) and sum in float32; needs an adapter with the features `chromium-experimental-subgroup-matrix` (16 x 16 x 16), `shader-f16` and
 * `subgroups` (of 32). What gains nothing by them goes as without: small products, sizes that are no multiples of four, other heads.
 * @param precision `split`: each float32 is the sum of two halves, and products are three; errors are those of float32 arithmetic. `half`:
 * one half, relative error about 5e-4. In both, tensors stay float32, and numbers are scaled by powers of two so that none over- or
 * underflows. An infinite operand gives NaN.
 */
export const matrixUnits = (precision: 'split' | 'half'): MatrixUnits => ({
  precision,
  features: ['chromium-experimental-subgroup-matrix' as GPUFeatureName, 'shader-f16', 'subgroups' as GPUFeatureName],
  // Node: the feature is experimental, and Dawn has f16 on NVIDIA's Vulkan by request only.
  dawnFlags: ['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia'],
  texts: { directives, chunk: `${tile}\n${units}\n${chunk}`, largest, product: `${product}\n${productUnits}` },
});
