import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

export default defineConfig(
  library({ entry: { index: 'src/index.ts', bin: 'src/bin.ts', 'stories/index': 'src/stories/index.ts' } }),
);
