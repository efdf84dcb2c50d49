// jax-js asks for it when it is imported; Node has it from version 21 on.
(globalThis as { navigator?: unknown }).navigator ??= { hardwareConcurrency: 1 };

export {};
