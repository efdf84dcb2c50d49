/** Kernels on matrix units, as `matrixUnits` of `@linattn/kernels-webgpu/matrix` makes them. */
export interface MatrixUnits {
  /** Products of two halves a number, or of one. */
  readonly precision: 'split' | 'half';
  /** What the device must have. */
  readonly features: readonly GPUFeatureName[];
  /** Flags that Dawn needs for them, in Node. */
  readonly dawnFlags: readonly string[];
  readonly texts: {
    readonly directives: string;
    /** attention/chunk.wgsl's work. */
    readonly chunk: string;
    /** Products of matrices, and the largest numbers that they are scaled by. */
    readonly product: string;
    readonly largest: string;
  };
}
