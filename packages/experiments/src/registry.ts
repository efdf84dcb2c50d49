import { ValueError } from '@linattn/math';
import { dropoutMoments } from './dropout-moments/index.ts';
import { figure3 } from './figure-3/index.ts';
import type { Experiment } from './frame/experiment.ts';
import { numerics } from './numerics/index.ts';
import { figure1, figure2 } from './scaling/index.ts';
import { table1 } from './table-1/index.ts';

/** All experiments, in the order of the report. */
export const experiments: readonly Experiment[] = [figure1, figure2, figure3, table1, dropoutMoments, numerics];

/** @throws ValueError for a name that no experiment has. */
export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (!found) throw new ValueError('experiment', name, experiments.map((experiment) => experiment.name).join(' | '));
  return found;
}
