export { float64Backend } from './backend.ts';
