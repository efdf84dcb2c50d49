/** gpu.js's modes that this package runs on. gpu.js's own `gpu`, `async` and default would prefer a software GPU to webasm. */
export const modes = ['webgpu', 'webgl2', 'headlessgl', 'webasm', 'cpu'] as const;
export type Mode = (typeof modes)[number];
