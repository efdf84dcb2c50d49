import { argumentsAddress, controlWords as c, scratchWords } from '../layout.ts';

/**
 * What a worker runs, as text: it becomes a worker_threads script in Node and a Blob worker in browsers, so that no bundler has
 * to find a file. A worker enters a job only while it is open, takes blocks until none is left, and sleeps between jobs.
 */
export const workerSource = `
const enter = ({ module, memory, index, spins }) => {
  const kernels = Object.values(new WebAssembly.Instance(module, { env: { memory } }).exports);
  const words = new Int32Array(memory.buffer, 0, ${argumentsAddress / 4});
  const scratch = new Float64Array(memory.buffer, ${scratchWords * 8}, 2);
  let seen = 0;
  for (;;) {
    let job = Atomics.load(words, ${c.job});
    for (let spin = 0; job === seen; job = Atomics.load(words, ${c.job})) {
      if (++spin > spins) Atomics.wait(words, ${c.job}, seen);
    }
    if (job < 0) return;
    seen = job;
    Atomics.add(words, ${c.active}, 1);
    if (Atomics.load(words, ${c.open}) === job) {
      try {
        const kernel = kernels[words[${c.kernel}]];
        const blocks = words[${c.blocks}];
        const own = scratch[0] + index * scratch[1];
        for (let block; (block = Atomics.add(words, ${c.next}, 1)) < blocks; ) kernel(block, ${argumentsAddress}, own);
      } catch (error) {
        Atomics.store(words, ${c.failed}, 1);
      }
    }
    if (Atomics.sub(words, ${c.active}, 1) === 1) Atomics.notify(words, ${c.active});
  }
};
if (typeof self === 'undefined') enter(require('node:worker_threads').workerData);
else self.onmessage = ({ data }) => { enter(data); self.close(); };
`;
