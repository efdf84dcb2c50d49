// The first page of memory: control words of the pool, arguments of the running kernel, constants of the module. Buffers follow.

/** Int32 words of the pool's protocol, each in a cache line of its own. */
export const controlWords = {
  /** Number of the newest job; threads sleep on it. Negative: leave. */
  job: 1024 / 4,
  /** Number of the job that may be entered; 0 when none. */
  open: 1088 / 4,
  /** How many workers are inside a job. */
  active: 1152 / 4,
  /** The next block to take. */
  next: 1216 / 4,
  blocks: 1280 / 4,
  kernel: 1344 / 4,
  /** Set by a worker whose kernel trapped. */
  failed: 1408 / 4,
} as const;

/** Scratch base and the bytes of it a thread has (float64). */
export const scratchWords = 1472 / 8;

/** Float64 arguments of the running kernel. */
export const argumentsAddress = 2048;
export const argumentsLimit = (32768 - argumentsAddress) / 8;

/** Buffers from here on. */
export const arenaStart = 65536;
export const pageBytes = 65536;
