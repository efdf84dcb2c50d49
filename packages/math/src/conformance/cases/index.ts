import type { OpCase } from '../case.ts';
import { attentionCases } from './attention.ts';
import { elementwiseCases } from './elementwise.ts';
import { indexingCases } from './indexing.ts';
import { layerCases } from './layers.ts';
import { productCases } from './matmul.ts';
import { movementCases } from './movement.ts';
import { reductionCases } from './reduce.ts';

/** Every case of every operation, core ones first. */
export const opCases: readonly OpCase[] = [
  ...elementwiseCases,
  ...reductionCases,
  ...movementCases,
  ...productCases,
  ...indexingCases,
  ...layerCases,
  ...attentionCases,
];
