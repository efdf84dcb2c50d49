/** Numbers that one head holds, by method. */
export interface Held {
  readonly method: string;
  readonly formula: string;
  readonly count: number;
}

export interface Moment {
  /** n, in all. */
  readonly tokens: number;
  /** t: taken in so far; in backward, the token at work. */
  readonly at: number;
  readonly direction: 'forward' | 'backward';
  /** D = D_v */
  readonly features: number;
}

/**
 * What training holds at a step of one head: what was saved for backward so far, and what the step works on. In backward nothing of a
 * tensor is free before all of it has been used.
 */
export function heldInTraining({ tokens: n, at: t, direction, features: d }: Moment): Held[] {
  const state = (d + 1) * (d + 1);
  if (direction === 'forward') {
    return [
      { method: 'Softmax, full', formula: 't² + 3 t D', count: t * t + 3 * t * d },
      { method: 'Softmax, tiled', formula: '4 t D + t', count: 4 * t * d + t },
      { method: 'Linear, every state recorded', formula: 't (D + 1)² + 3 t D', count: t * state + 3 * t * d },
      { method: 'Linear, gradient by hand', formula: '4 t D + t + (D + 1)²', count: 4 * t * d + t + state },
    ];
  }
  return [
    { method: 'Softmax, full', formula: '2 n² + 3 n D', count: 2 * n * n + 3 * n * d },
    { method: 'Softmax, tiled', formula: '4 n D + n', count: 4 * n * d + n },
    {
      method: 'Linear, every state recorded',
      formula: '(t + 1) (D + 1)² + 3 n D',
      count: (t + 1) * state + 3 * n * d,
    },
    { method: 'Linear, gradient by hand', formula: '4 n D + n + (D + 1)²', count: 4 * n * d + n + state },
  ];
}

/** What generation carries from token to token, after t of them. */
export const heldInGeneration = ({ at: t, features: d }: Pick<Moment, 'at' | 'features'>): Held[] => [
  { method: 'Softmax: keys and values', formula: '2 t D', count: 2 * t * d },
  { method: 'Linear: the state S', formula: '(D + 1)²', count: (d + 1) * (d + 1) },
];
