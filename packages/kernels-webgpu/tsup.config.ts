import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

// Shaders are inlined as text.
export default defineConfig(
  library({ entry: { index: 'src/index.ts', 'matrix/index': 'src/matrix/index.ts' }, loader: { '.wgsl': 'text' } }),
);
