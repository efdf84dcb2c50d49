/** Other kernels through the same linear attention: feature maps (a = 0, b = 1 over φ(q), φ(k)) and the Taylor kernel. */
export { eluFeatures, reluFeatures } from './elementwise.ts';
export { type FavorProjectionOptions, favorFeatures, favorProjection } from './favor.ts';
export {
  type FeatureMap,
  type FeatureMapAttentionOptions,
  featureKernel,
  featureMapAttention,
} from './feature-map.ts';
export { taylorKernel } from './taylor.ts';
