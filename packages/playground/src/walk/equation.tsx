import type { ComponentChildren } from 'preact';
import { formatCell } from '../ui/format.ts';
import { largest, Matrix } from '../ui/matrix.tsx';
import { Scroll } from '../ui/scroll.tsx';
import { type Example, targetOf } from './example.ts';
import { type Place, subscript } from './place.ts';
import type { Rows, TokenTrace, Trace } from './trace.ts';

interface EquationProps {
  readonly trace: Trace;
  readonly place: Place;
  readonly example: Example;
}

/** Softmax's table beside linear attention's state, at one step. */
export function Equation(props: EquationProps) {
  return (
    <div class="methods">
      <figure class="method">
        <figcaption>
          <h3>Softmax attention</h3>
        </figcaption>
        <Table {...props} />
      </figure>
      <figure class="method">
        <figcaption>
          <h3>Linear attention</h3>
        </figcaption>
        <State {...props} />
      </figure>
    </div>
  );
}

function Table({ trace, place, example }: EquationProps) {
  const n = example.tokens.length;
  const { weights, dWeights } = trace.softmax;
  const names = Array.from({ length: n }, (_, i) => String(i + 1));
  const backward = place.direction === 'backward';
  const token = place.direction === 'start' ? -1 : place.token;
  return (
    <Scroll label="Softmax attention’s table">
      <Matrix
        caption={
          backward ? (
            <>
              ∂L/∂A, {n} × {n}
            </>
          ) : (
            <>
              weights A, {n} × {n}
            </>
          )
        }
        values={backward ? dWeights : weights}
        rows={names}
        columns={names}
        scale={backward ? largest(dWeights) : 1}
        hidden={(i, j) => j > i || (backward ? i < token : i > token)}
        current={token}
      />
    </Scroll>
  );
}

function State({ trace, place, example }: EquationProps) {
  const d = example.features;
  const rows = ['1', ...Array.from({ length: d }, (_, j) => `k${subscript(j + 1)}`)];
  const columns = [...Array.from({ length: d }, (_, j) => `v${subscript(j + 1)}`), '1'];
  const { tokens, nothing } = trace;
  const scales = {
    forward: largest(...tokens.map(({ state }) => state)),
    backward: largest(...tokens.map(({ dState }) => dState)),
  };
  const show = (caption: ComponentChildren, values: Rows, scale: number, quiet = false) => (
    <Matrix {...{ caption, values, rows, columns, scale, quiet }} />
  );
  if (place.direction === 'start') return <div class="equation">{show(<>S₀</>, nothing, 1)}</div>;
  const i = place.token + 1;
  const t = subscript(i);
  const token = tokens[place.token];
  if (place.direction === 'forward') {
    const scale = scales.forward;
    return (
      <>
        <Sum
          label={`S${t} is S${subscript(i - 1)} plus the token`}
          parts={[
            show(<>S{subscript(i - 1)}</>, tokens[place.token - 1]?.state ?? nothing, scale),
            show(
              <>
                φ(k{t}) w{t}ᵀ
              </>,
              token.added,
              scale,
              true,
            ),
            show(<>S{t}</>, token.state, scale),
          ]}
        />
        <Readings readings={readingsForward(token, t)} />
      </>
    );
  }
  const scale = scales.backward;
  return (
    <>
      <Sum
        label={`The gradient by S${t} is the next state’s plus the token’s own`}
        parts={[
          show(<>∂L/∂S{subscript(i + 1)}</>, tokens[place.token + 1]?.dState ?? nothing, scale),
          show(
            <>
              φ(q{t}) e{t}ᵀ
            </>,
            token.dAdded,
            scale,
            true,
          ),
          show(<>∂L/∂S{t}</>, token.dState, scale),
        ]}
      />
      <Readings readings={readingsBackward(token, t, targetName(place.token, example))} />
      {!token.generated && <p class="untouched">Untouched: the two gradients are the same, to the last bit.</p>}
    </>
  );
}

function targetName(token: number, { conditional }: Example): string {
  return token < conditional ? '' : `v${subscript(targetOf(token, conditional) + 1)}`;
}

function Sum({ label, parts }: { readonly label: string; readonly parts: readonly ComponentChildren[] }) {
  const [before, added, after] = parts;
  return (
    <Scroll label={label}>
      <div class="equation">
        {before}
        <span class="sign" aria-hidden="true">
          +
        </span>
        {added}
        <span class="sign" aria-hidden="true">
          =
        </span>
        {after}
      </div>
    </Scroll>
  );
}

type Reading = readonly [name: string, values: readonly number[], note?: string];

const readingsForward = (token: TokenTrace, t: string): Reading[] => [
  [`φ(k${t})`, token.phiK],
  [`w${t}`, token.w],
  ...(token.generated
    ? ([
        [`φ(q${t})`, token.phiQ],
        [`g${t}`, [token.denominator]],
        [`o${t}`, token.output, 'what it reads'],
      ] as Reading[])
    : []),
];

const readingsBackward = (token: TokenTrace, t: string, target: string): Reading[] => [
  ...(token.target
    ? ([
        [`o${t} − ${target}`, token.dOutput, '= ∂L/∂o'],
        [`∂L/∂q${t}`, token.dq],
      ] as Reading[])
    : []),
  [`∂L/∂k${t}`, token.dk],
  [`∂L/∂v${t}`, token.dv],
];

function Readings({ readings }: { readonly readings: readonly Reading[] }) {
  return (
    <dl class="readings">
      {readings.map(([name, values, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            [{values.map(formatCell).join(', ')}]{note && <span class="note"> {note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
