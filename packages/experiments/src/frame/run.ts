import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ValueError } from '@linattn/math';
import { writeAtomically } from '@linattn/nn/node';
import type { Experiment, Host, Measurement, Overrides, Scale, Settings, Task } from './experiment.ts';
import { formatSeconds } from './format.ts';
import { toJson } from './json.ts';
import { Measurements } from './measurements.ts';
import { type Provenance, provenance } from './provenance.ts';
import { Section } from './section.ts';

/** Where an experiment writes, what it runs on, and what stops it. */
export interface RunOptions {
  readonly scale: Scale;
  /** The experiment's folder is made in this one. */
  readonly out: string;
  readonly host: Host;
  /** What was typed to run it. */
  readonly command: string;
  readonly overrides?: Overrides;
  /** Former measurements are thrown away. */
  readonly overwrite?: boolean;
}

/** result.json of a finished experiment: all that was measured, and on what. */
export interface Result {
  readonly version: 1;
  readonly experiment: string;
  readonly title: string;
  readonly scale: Scale;
  readonly settings: Settings;
  readonly command: string;
  readonly backend: string;
  readonly on: Provenance;
  readonly date: string;
  /** Seconds measured in all, also by former attempts that this run went on from. */
  readonly seconds: number;
  readonly derived: Readonly<Record<string, unknown>>;
  readonly measurements: readonly Measurement<unknown>[];
}

/**
 * Runs an experiment, or what is left of it: measurements that its folder holds are not made again. Then writes result.json,
 * section.md and the figures, each whole or not at all.
 * @throws OtherRunError when the folder holds a run with other settings, ValueError for an override that the experiment does not know.
 */
export async function runExperiment(experiment: Experiment, options: RunOptions): Promise<Result> {
  const { scale, out, host, overwrite } = options;
  const settings = applyOverrides(experiment, scale, options.overrides ?? {});
  const folder = join(out, experiment.name);
  if (overwrite) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const header = { version: 1, experiment: experiment.name, scale, backend: host.backendName, settings };
  const measurements = await Measurements.open<unknown>(join(folder, 'measurements.jsonl'), header);
  try {
    const tasks = experiment.tasks(settings);
    await measureAll(tasks, measurements, folder, host);
    const made = tasks.map(({ key }) => measurements.get(key)!);
    const section = new Section();
    await experiment.write(section, settings, new Map(made.map(({ key, value }) => [key, value])));
    const result = describe(experiment, options, settings, made, section);
    await writeResult(folder, result, section);
    return result;
  } finally {
    await measurements.close();
  }
}

function applyOverrides(experiment: Experiment, scale: Scale, overrides: Overrides): Settings {
  const settings = experiment.scales[scale];
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(settings, name))
      throw new ValueError(name, value, `nothing (${experiment.name} has no such setting)`);
  }
  return { ...settings, ...Object.fromEntries(given) };
}

async function measureAll(
  tasks: readonly Task<unknown>[],
  measurements: Measurements<unknown>,
  folder: string,
  host: Host,
): Promise<void> {
  const weightOf = ({ weight = 1 }: Task<unknown>) => weight;
  const total = tasks.reduce((sum, task) => sum + weightOf(task), 0);
  const left = tasks.filter((task) => {
    const found = measurements.get(task.key);
    return !found || task.again?.(found.value);
  });
  if (left.length < tasks.length) host.line(`${tasks.length - left.length} of ${tasks.length} measurements are there`);
  let before = total - left.reduce((sum, task) => sum + weightOf(task), 0);
  const start = { time: performance.now(), weight: before };
  for (const task of left) {
    const report = (done: number, text = '') => {
      const weight = before + weightOf(task) * Math.min(1, Math.max(0, done));
      const seconds = (performance.now() - start.time) / 1000;
      const secondsLeft = weight > start.weight ? (seconds * (total - weight)) / (weight - start.weight) : Number.NaN;
      host.progress({ done: weight / total, secondsLeft, text: [task.key, text].filter(Boolean).join('  ') });
    };
    await host.pause();
    report(0);
    const began = performance.now();
    const value = await task.run({
      openBackend: () => host.openBackend(),
      loadText: (name, tokenizer) => host.loadText(name, tokenizer),
      readData: (name) => host.readData(name),
      pause: () => host.pause(),
      folder: join(folder, 'work', task.key.replaceAll(/[^\w.-]+/g, '_')),
      report,
      measured: (key) => measurements.get(key)?.value,
    });
    const seconds = (performance.now() - began) / 1000;
    await measurements.add({ key: task.key, value, seconds, date: new Date().toISOString() });
    before += weightOf(task);
    report(0);
  }
}

function describe(
  { name, title }: Experiment,
  { scale, command, host }: RunOptions,
  settings: Settings,
  measurements: readonly Measurement<unknown>[],
  section: Section,
): Result {
  return {
    version: 1,
    experiment: name,
    title,
    scale,
    settings,
    command,
    backend: host.backendName,
    on: provenance(),
    date:
      measurements
        .map(({ date }) => date)
        .sort()
        .at(-1) ?? new Date().toISOString(),
    seconds: measurements.reduce((sum, { seconds }) => sum + seconds, 0),
    derived: section.derived,
    measurements,
  };
}

async function writeResult(folder: string, result: Result, section: Section): Promise<void> {
  for (const [file, svg] of section.figures) await writeAtomically(join(folder, file), svg);
  await writeAtomically(
    join(folder, 'section.md'),
    `## ${result.title}\n\n${imprint(result)}\n\n${section.markdown}\n`,
  );
  await writeAtomically(join(folder, 'result.json'), `${toJson(result, 1)}\n`);
}

/** Command, seed, versions, machine, date and run time, in two lines. */
function imprint({ command, scale, settings, backend, on, date, seconds }: Result): string {
  const machine = `${on.processor}, ${on.processors} processors, ${on.memoryGiB} GiB`;
  return [
    `\`${command}\`  `,
    `Scale *${scale}*, seed ${settings.seed} · linattn ${on.linattn}, backend ${backend}, Node ${on.node}, ${on.system} · ${machine} · ` +
      `${date.slice(0, 10)} · ${formatSeconds(seconds)} of measuring`,
  ].join('\n');
}
