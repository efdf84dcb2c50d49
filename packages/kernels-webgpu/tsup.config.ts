import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

// Shaders are inlined as text.
export default defineConfig(library({ loader: { '.wgsl': 'text' } }));
