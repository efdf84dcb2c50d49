import { formatCount, formatLarge } from '../ui/format.ts';
import { type Held, heldInGeneration, heldInTraining } from './memory.ts';
import type { Place } from './place.ts';

interface HeldProps {
  readonly place: Place;
  readonly tokens: number;
  readonly features: number;
}

/** How many numbers each method holds at this step, and what that comes to at sizes that models have. */
export function HeldTables({ place, tokens, features }: HeldProps) {
  const direction = place.direction === 'backward' ? 'backward' : 'forward';
  const at = place.direction === 'start' ? 0 : place.token + 1;
  const training = heldInTraining({ tokens, at, direction, features });
  const most = Math.max(...heldInTraining({ tokens, at: tokens, direction: 'backward', features }).map(count));
  const cache = heldInGeneration({ at, features });
  const mostCache = Math.max(...heldInGeneration({ at: tokens, features }).map(count));
  return (
    <div class="held">
      <HeldTable caption="Numbers held at this step, training" rows={training} most={most} />
      <HeldTable caption="Numbers carried on, generating" rows={cache} most={mostCache} />
      <p class="note">Here everything is small. {atScale(65_536, 64)}</p>
    </div>
  );
}

const count = (held: Held): number => held.count;

function atScale(tokens: number, features: number): string {
  const held = heldInTraining({ tokens, at: tokens, direction: 'forward', features });
  const [full, , recorded, byHand] = held.map(({ count }) => formatLarge(count));
  return `With n = ${formatCount(tokens)} tokens and D = ${features} the same formulas give ${full} for full softmax, ${recorded} with every state recorded, and ${byHand} with the gradient derived by hand, for every head of every layer.`;
}

function HeldTable({
  caption,
  rows,
  most,
}: {
  readonly caption: string;
  readonly rows: readonly Held[];
  readonly most: number;
}) {
  return (
    <table class="bars">
      <caption>{caption}</caption>
      <tbody>
        {rows.map(({ method, formula, count }) => (
          <tr key={method}>
            <th scope="row">
              {method}
              <span class="formula">{formula}</span>
            </th>
            <td class="bar" aria-hidden="true">
              <span style={{ inlineSize: `${(100 * count) / most}%` }} />
            </td>
            <td class="count">{formatCount(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
