export { writeAtomically } from './atomic.ts';
export { type Checkpoint, loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
export { loadSafetensors } from './files.ts';
export { loadPretrained, savePretrained } from './pretrained.ts';
export { loadDecodingState, saveDecodingState } from './snapshot.ts';
