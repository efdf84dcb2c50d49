import type { Method } from './plan.ts';

interface Look {
  readonly colour: 'blue' | 'orange';
  readonly dash?: string;
  readonly symbol: 'circle' | 'square' | 'triangle' | 'diamond';
}

/** Blue is linear, orange is softmax; dashes are the ones that write down more. */
export const looks: Readonly<Record<Method, Look>> = {
  linear: { colour: 'blue', symbol: 'circle' },
  separation: { colour: 'blue', dash: '5 4', symbol: 'square' },
  tiled: { colour: 'orange', symbol: 'triangle' },
  full: { colour: 'orange', dash: '5 4', symbol: 'diamond' },
};
