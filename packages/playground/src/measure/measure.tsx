import { useMemo } from 'preact/hooks';
import { BackendSelect, resolveChoice } from '../backends/select.tsx';
import { training } from '../train/training.ts';
import { Chart } from '../ui/chart.tsx';
import { Select } from '../ui/fields.tsx';
import { formatBytes, formatCount, formatDuration } from '../ui/format.ts';
import { Notice } from '../ui/notice.tsx';
import { Scroll } from '../ui/scroll.tsx';
import { looks } from './looks.ts';
import { choices, methodNames, methods, type Pass, type Plan, passes } from './plan.ts';
import { type Quantity, type Summary, seriesOf, summarise } from './series.ts';
import { MeasureStore } from './store.ts';

/** What attention costs on this device, by method and size. */
export function Measure() {
  const store = useMemo(() => new MeasureStore(), []);
  const { running, doing, failure, rows, device } = store;
  return (
    <section id="measure" aria-labelledby="measure-title">
      <header class="lead">
        <h2 id="measure-title">Measure it</h2>
        <p>
          What does attention cost on this device? Each method computes the same causal attention, at sizes that double,
          until it is done, takes too long, or does not fit. On these charts a straight line is a power: its slope says
          of what.
        </p>
        <p>
          Full softmax writes down all n × n weights. Tiled softmax computes them block by block. Kernel separation is
          linear attention as frameworks record it, with a state kept for every token; here, the same numbers with the
          gradient derived by hand.
        </p>
      </header>
      <Settings store={store} />
      {training.value && (
        <p class="note">A model trains on this page: pause it to measure the device and not what it leaves over.</p>
      )}
      <p class="doing">{doing.value && `${doing.value} …`}</p>
      {failure.value && (
        <Notice>
          <p>
            <strong>The measurement stopped.</strong> {failure.value}
          </p>
          <p>What was measured stays below. Choose another backend to go on.</p>
        </Notice>
      )}
      {rows.value.length > 0 && <Results store={store} device={device.value} running={running.value} />}
    </section>
  );
}

function Settings({ store }: { readonly store: MeasureStore }) {
  const { plan, running, choice } = store;
  const { along, upTo, fixed, limitBytes } = plan.value;
  const backend = resolveChoice(choice.value);
  const set = (change: Partial<Plan>) => {
    plan.value = { ...plan.value, ...change };
  };
  const turn = (along: Plan['along']) =>
    set(along === 'tokens' ? { along, upTo: 16_384, fixed: 32 } : { along, upTo: 128, fixed: 1024 });
  const numbers = (values: readonly number[]) =>
    values.map((value) => ({ value: String(value), label: formatCount(value) }));
  return (
    <form class="settings" onSubmit={(event) => event.preventDefault()}>
      <div class="fields">
        <Select
          label="What grows"
          value={along}
          disabled={running.value}
          choices={[
            { value: 'tokens', label: 'The text: tokens N' },
            { value: 'features', label: 'The head: features D' },
          ]}
          onChange={turn}
        />
        <Select
          label={along === 'tokens' ? 'Up to N' : 'Up to D'}
          value={String(upTo)}
          disabled={running.value}
          choices={numbers(choices[along].upTo)}
          onChange={(value) => set({ upTo: Number(value) })}
        />
        <Select
          label={along === 'tokens' ? 'Features D' : 'Tokens N'}
          value={String(fixed)}
          disabled={running.value}
          choices={numbers(choices[along].fixed)}
          onChange={(value) => set({ fixed: Number(value) })}
        />
        <Select
          label="Most memory"
          value={String(limitBytes)}
          disabled={running.value}
          hint="in tensors; a method that needs more ends with ×"
          choices={[2 ** 26, 2 ** 28, 2 ** 30, 2 ** 31, 3 * 2 ** 30].map((bytes) => ({
            value: String(bytes),
            label: formatBytes(bytes),
          }))}
          onChange={(value) => set({ limitBytes: Number(value) })}
        />
      </div>
      <BackendSelect choice={choice} disabled={running.value} />
      <div class="actions">
        {running.value ? (
          <button type="button" onClick={() => store.cancel()}>
            Cancel
          </button>
        ) : (
          <button type="button" class="primary" disabled={!backend} onClick={() => backend && store.start(backend)}>
            Measure
          </button>
        )}
      </div>
    </form>
  );
}

function Results({
  store,
  device,
  running,
}: {
  readonly store: MeasureStore;
  readonly device: string;
  readonly running: boolean;
}) {
  const { pass } = store;
  const rows = store.rows.value;
  const plan = store.measured.value;
  const summary = summarise(rows, plan, pass.value);
  const measurement = { rows, plan, device };
  const fixed = `${plan.along === 'tokens' ? 'D' : 'N'} = ${formatCount(plan.fixed)}`;
  return (
    <div class="results">
      <fieldset class="passes">
        <legend class="visually-hidden">What is shown</legend>
        {(Object.keys(passes) as Pass[]).map((each) => (
          <label key={each}>
            <input
              type="radio"
              name="pass"
              checked={pass.value === each}
              onChange={() => {
                pass.value = each;
              }}
            />
            {passes[each]}
          </label>
        ))}
      </fieldset>
      <p class="note">
        {plan.heads} heads, {fixed}, one sequence; float32, computed by {device}. The median of several runs.
      </p>
      <div class="charts">
        {(['seconds', 'peakBytes'] as const).map((quantity) => (
          <Chart
            key={quantity}
            label={chartInWords(quantity, summary)}
            data={[rows, pass.value, quantity]}
            load={async () => {
              const { logChart, pagePalette } = await import('./log-chart.ts');
              return (width) =>
                logChart(seriesOf(rows, plan, pass.value, quantity), quantity, plan, width, pagePalette);
            }}
          />
        ))}
      </div>
      <Scroll label="What each method came to">
        <Slopes summary={summary} plan={plan} />
      </Scroll>
      <p class="note">
        × the next size did not fit in memory; ○ it would have taken too long. Slopes are of the last three points: 1 is
        proportional, 2 is the square. A line that is still flat shows what starting any work costs: larger sizes show
        the rest.
      </p>
      <div class="actions">
        {(['svg', 'csv', 'json'] as const).map((kind) => (
          <button
            key={kind}
            type="button"
            disabled={running}
            onClick={async () => (await import('./export.ts')).exportAs(kind, measurement, pass.value)}
          >
            Save as {kind.toUpperCase()}
          </button>
        ))}
      </div>
    </div>
  );
}

function chartInWords(quantity: Quantity, summary: readonly Summary[]): string {
  const lines = summary.flatMap(({ method, last, timeSlope, memorySlope }) => {
    const slope = quantity === 'seconds' ? timeSlope : memorySlope;
    if (!last) return [];
    const value = quantity === 'seconds' ? formatDuration(last.seconds) : formatBytes(last.peakBytes);
    return `${methods[method]}: ${value} at ${formatCount(last.x)}${slope === undefined ? '' : `, slope ${slope.toFixed(1)}`}`;
  });
  return `${quantity === 'seconds' ? 'Time' : 'Memory'}, on logarithmic scales. ${lines.join('. ')}.`;
}

const formatSlope = (slope: number | undefined): string => slope?.toFixed(2).replace('-', '−') ?? '–';

const endings = { memory: '× out of memory', time: '○ too slow' } as const;

function Slopes({ summary, plan }: { readonly summary: readonly Summary[]; readonly plan: Plan }) {
  const size = plan.along === 'tokens' ? 'N' : 'D';
  return (
    <table class="slopes">
      <thead>
        <tr>
          <th scope="col">Method</th>
          <th scope="col">Time ∝ {size} to the</th>
          <th scope="col">Memory ∝ {size} to the</th>
          <th scope="col">Last {size}</th>
          <th scope="col">Time there</th>
          <th scope="col">Memory there</th>
          <th scope="col">Then</th>
        </tr>
      </thead>
      <tbody>
        {methodNames.map((method) => {
          const { last, timeSlope, memorySlope, ending } = summary.find((each) => each.method === method)!;
          const { colour, dash } = looks[method];
          return (
            <tr key={method}>
              <th scope="row">
                <span class={`stroke ${colour}${dash ? ' dashed' : ''}`} /> {methods[method]}
              </th>
              <td>{formatSlope(timeSlope)}</td>
              <td>{formatSlope(memorySlope)}</td>
              <td>{last ? formatCount(last.x) : '–'}</td>
              <td>{last ? formatDuration(last.seconds) : '–'}</td>
              <td>{last ? formatBytes(last.peakBytes) : '–'}</td>
              <td>{ending ? endings[ending] : ''}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
