import { type Tensor, unscoped } from '@linattn/math';
import { eluFeatures, type FeatureMap, favorFeatures, favorProjection, reluFeatures } from '@linattn/math/features';
import type { LinearAttentionConfig } from '../config.ts';
import { seedKey } from '../random.ts';

/** φ of one layer, made when it is first used. */
export class LayerFeatures {
  readonly #config: LinearAttentionConfig;
  readonly #layer: number;
  /** FAVOR+'s random directions [M, D]: a constant, drawn again from the configuration wherever the model is loaded. */
  #projection?: Tensor;
  #map?: FeatureMap;

  constructor(config: LinearAttentionConfig, layer: number) {
    this.#config = config;
    this.#layer = layer;
  }

  /** q, k [B, N, H, D] to the features that the attention works on. */
  forward(q: Tensor, k: Tensor): [Tensor, Tensor] {
    if (this.#config.featureMap === 'polynomial') return [q, k];
    const map = (this.#map ??= this.#make(q));
    return [map(q, 'query'), map(k, 'key')];
  }

  #make({ backend, shape }: Tensor): FeatureMap {
    const { featureMap, features, featureSeed } = this.#config;
    if (featureMap === 'elu') return eluFeatures;
    if (featureMap === 'relu') return reluFeatures();
    const draw = {
      headDim: shape[3],
      features,
      key: seedKey(featureSeed, 'features'),
      stream: [this.#layer, 0],
    } as const;
    this.#projection = unscoped(() => favorProjection(backend, draw));
    return favorFeatures(this.#projection);
  }

  dispose(): void {
    this.#projection?.dispose();
    this.#map = undefined;
  }
}
