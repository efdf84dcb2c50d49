import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import type { LogEntry } from '../src/training/log.ts';
import { run, start, temporaryFolder } from './support/cli.ts';
import { tinyTokenizer } from './support/tiny-tokenizer.ts';

const small = '--layers 1 --hidden 16 --heads 2 --batch 2 --seq-len 32 --stories 60 --evaluations 2 --warmup 2'.split(
  ' ',
);
const onFloat64 = [...small, '--backend', 'float64'];

const readLog = (folder: string) =>
  readFileSync(join(folder, 'log.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogEntry);
const losses = (folder: string) => readLog(folder).flatMap((entry) => (entry.event === 'step' ? [entry.loss] : []));
const parametersOf = (folder: string) => {
  const [name] = readdirSync(join(folder, 'checkpoint')).filter((file) => file.startsWith('model-'));
  return name;
};

test('the built-in stories: log, curve, checkpoint, losses, recall and a story', async () => {
  const out = join(temporaryFolder(), 'run');
  const { code, stdout, stderr } = await run(
    'train',
    ...small,
    '--backend',
    'gpujs-webasm',
    '--steps',
    '8',
    '--out',
    out,
    '--story-tokens',
    '20',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(readdirSync(out).sort()).toEqual(['checkpoint', 'curve.svg', 'log.jsonl', 'result.json', 'run.json']);
  expect(losses(out)).toHaveLength(8);
  expect(losses(out)[0]).toBeGreaterThan(5);
  expect(losses(out)[7]).toBeLessThan(losses(out)[0]);
  const events = readLog(out).map(({ event }) => event);
  expect(events[0]).toBe('start');
  expect(events.filter((event) => event === 'validation')).toHaveLength(2);
  expect(events.at(-1)).toBe('end');
  expect(readFileSync(join(out, 'curve.svg'), 'utf8')).toContain('<svg');
  const result = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
  expect(result.validation.natsPerCharacter).toBeGreaterThan(0);
  expect(JSON.stringify(result)).not.toContain(out);
  expect(stdout).toMatch(/validation +\d\.\d{4} nats\/char, \d\.\d{4} bits\/byte/);
  expect(stdout).toMatch(/order-0 entropy of the text: 3\.\d{4} nats\/char/);
  expect(stdout).toMatch(/recall +\d+% of \d+ words/);
  expect(stdout).toMatch(/\nOnce upon a time/);
  // Piped output is plain lines: no escape sequences, no carriage returns.
  expect(stdout).not.toContain('\u001b');
  expect(stdout).not.toContain('\r');
});

test('a run that is stopped and resumed is the same run, to the last bit', async () => {
  const folder = temporaryFolder();
  const [straight, halted] = ['straight', 'halted'].map((name) => join(folder, name));
  const settings = [...onFloat64, '--dropout', '0.2', '--steps', '6', '--story-tokens', '0'];
  expect((await run('train', ...settings, '--out', straight)).code).toBe(0);

  const halting = run('train', ...settings, '--out', halted);
  const poll = setInterval(() => {
    if (!existsSync(join(halted, 'log.jsonl')) || losses(halted).length < 2) return;
    clearInterval(poll);
    process.emit('SIGINT', 'SIGINT');
  }, 1);
  const interrupted = await halting.finally(() => clearInterval(poll));
  expect(interrupted.code).toBe(130);
  expect(interrupted.stdout).toContain(`go on with: linattn train --resume ${halted}`);
  const before = losses(halted).length;
  expect(before).toBeLessThan(6);

  // Lines of a process that was killed after its last checkpoint are not kept twice.
  writeFileSync(
    join(halted, 'log.jsonl'),
    `${readFileSync(join(halted, 'log.jsonl'), 'utf8')}{"event":"step","step":${before},"loss":9}\n{"event":"st`,
  );
  const resumed = await run('train', '--resume', halted, '--backend', 'float64', '--story-tokens', '0');
  expect(resumed).toMatchObject({ code: 0, stderr: '' });
  expect(losses(halted)).toEqual(losses(straight));
  const validations = (path: string) =>
    readLog(path).flatMap((entry) => (entry.event === 'validation' ? [[entry.step, entry.loss]] : []));
  expect(validations(halted)).toEqual(validations(straight));
  // Files are named by their content.
  expect(parametersOf(halted)).toBe(parametersOf(straight));
});

test('Ctrl-C in a process of its own saves and exits with 130', async () => {
  const folder = temporaryFolder();
  const { child, done } = start(['train', ...onFloat64, '--steps', '100000', '--out', 'run'], folder);
  const log = join(folder, 'run', 'log.jsonl');
  while (!(existsSync(log) && readFileSync(log, 'utf8').includes('"step"')))
    await new Promise((resolve) => setTimeout(resolve, 50));
  child.kill('SIGTERM');
  const { code, stdout, stderr } = await done;
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
  expect(stdout).toContain('stopping after this step');
  const [, steps] = /saved after (\d+) steps in run/.exec(stdout) ?? [];
  const { step } = JSON.parse(readFileSync(join(folder, 'run', 'checkpoint', 'checkpoint.json'), 'utf8')) as {
    step: number;
  };
  expect(step).toBe(Number(steps));
  expect(losses(join(folder, 'run'))).toHaveLength(step);
});

test('a text file, packed, with a tokenizer.json; then text from it, the same for the same seed', async () => {
  const folder = temporaryFolder();
  const data = join(folder, 'text.txt.br');
  writeFileSync(
    data,
    brotliCompressSync(
      Array.from({ length: 50 }, (_, i) => `${'ab abc ca. '.repeat(1 + (i % 7))}\n<|endoftext|>\n`).join(''),
    ),
  );
  const tokenizer = join(folder, 'tokenizer.json');
  writeFileSync(tokenizer, JSON.stringify(tinyTokenizer));
  const out = join(folder, 'run');
  const trained = await run(
    'train',
    ...onFloat64,
    '--data',
    data,
    '--tokenizer',
    tokenizer,
    '--steps',
    '2',
    '--out',
    out,
    '--prompt',
    'ab',
    '--story-tokens',
    '5',
  );
  expect(trained).toMatchObject({ code: 0, stderr: '' });
  // The run keeps its own copy.
  rmSync(tokenizer);
  const write = (...more: string[]) =>
    run('generate', '--model', out, '--prompt', 'ab', '--max-tokens', '30', '--backend', 'float64', '-q', ...more);
  const first = await write();
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/^ab/);
  expect(await write()).toEqual(first);
  expect((await write('--seed', '2')).stdout).not.toBe(first.stdout);
  expect((await write('--temperature', '0', '--seed', '3')).stdout).toBe(
    (await write('--temperature', '0', '--seed', '4')).stdout,
  );
});

test('a time budget ends the run', async () => {
  const out = join(temporaryFolder(), 'run');
  const { code } = await run('train', ...onFloat64, '--minutes', '0.02', '--out', out, '--story-tokens', '0');
  expect(code).toBe(0);
  const end = readLog(out).at(-1) as { event: string; seconds: number; step: number };
  expect(end.seconds).toBeGreaterThan(1.2);
  expect(end.step).toBe(losses(out).length);
});

describe('what is refused, in one line, with exit code 2 and nothing written', () => {
  const text = () => {
    const path = join(temporaryFolder(), 'text.txt');
    writeFileSync(path, 'A line of text.\n'.repeat(200));
    return path;
  };

  test.each<[string, () => string[], RegExp]>([
    [
      'a missing file',
      () => ['--data', '/nowhere/text.txt'],
      /^linattn: --data: \/nowhere\/text\.txt: no such file or folder$/,
    ],
    ['a folder', () => ['--data', temporaryFolder()], /^linattn: --data: .*: it is a folder, not a file$/],
    ['an unknown backend', () => ['--backend', 'cuda'], /^linattn: --backend: there is no backend cuda; choose auto, /],
    ['a number that is none', () => ['--steps', 'many'], /^linattn: --steps: expected an integer > 0, given many$/],
    ['a number out of range', () => ['--dropout', '1'], /^linattn: --dropout: expected a number in \[0, 1\), given 1$/],
    ['heads that do not divide', () => ['--hidden', '30', '--heads', '4'], /^linattn: heads: /],
    [
      'an unknown attention',
      () => ['--attention', 'flash'],
      /^linattn: --attention: expected linear \| softmax, given flash$/,
    ],
    ['a kernel that is none', () => ['--kernel', '1,x'], /^linattn: --kernel: expected two or three numbers/],
    [
      'a text shorter than a row',
      () => ['--data', text(), '--seq-len', '9999'],
      /^linattn: --seq-len: the text has \d+ tokens/,
    ],
    ['a tokenizer that is none', () => ['--tokenizer', text()], /^linattn: --tokenizer: .* is not JSON$/],
    ['no run to resume', () => ['--resume', temporaryFolder()], /^linattn: --resume: .* is no run's folder/],
    [
      'resuming with other settings',
      () => ['--resume', temporaryFolder(), '--layers', '9'],
      /^linattn: --layers: is part of the run/,
    ],
  ])('%s', async (_, options, message) => {
    const out = join(temporaryFolder(), 'run');
    const argv = options();
    const { code, stdout, stderr } = await run(
      'train',
      ...argv,
      ...(argv.includes('--resume')
        ? []
        : ['--out', out, '--steps', '1'].filter((_, i) => !(argv.includes('--steps') && i > 1))),
    );
    expect(stderr.trimEnd()).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(existsSync(out)).toBe(false);
  });

  test('an unknown option', async () => {
    const { code, stderr } = await run('train', '--nonsense');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: unknown option '--nonsense'/);
  });

  test('a run folder that cannot be made', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const { code, stderr } = await run('train', ...onFloat64, '--steps', '1', '--out', join(file, 'run'));
    expect(stderr.trimEnd()).toMatch(/^linattn: --out: .*file\/run: a part of the path is a file, not a folder$/);
    expect(code).toBe(2);
  });

  test('the stack is shown with --debug only', async () => {
    expect((await run('train', '--data', '/nowhere')).stderr).not.toContain('    at ');
    expect((await run('train', '--data', '/nowhere', '--debug')).stderr).toContain('    at ');
  });
});

test('TinyStories where the server has none: one line, exit code 2, an empty cache', async () => {
  const server = createServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = temporaryFolder();
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('XDG_CACHE_HOME', folder);
  try {
    const { code, stderr } = await run('train', '--data', 'tinystories', '--out', join(folder, 'run'));
    expect(stderr).toMatch(/^linattn: http:\/\/127\.0\.0\.1:\d+\/.*-valid\.txt: the server answered 404 Not Found\n$/);
    expect(code).toBe(2);
    expect(readdirSync(join(folder, 'linattn', 'tinystories'))).toEqual([]);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  } finally {
    vi.unstubAllEnvs();
    server.close();
  }
});

describe('a run that was damaged', () => {
  async function trained(): Promise<string> {
    const out = join(temporaryFolder(), 'run');
    expect((await run('train', ...onFloat64, '--steps', '1', '--out', out, '--story-tokens', '0')).code).toBe(0);
    return out;
  }

  test('is neither resumed nor run', async () => {
    const out = await trained();
    const checkpoint = join(out, 'checkpoint');
    const model = join(checkpoint, parametersOf(out)!);
    const expectRefusal = async (message: RegExp) => {
      for (const argv of [
        ['train', '--resume', out, '--backend', 'float64'],
        ['generate', '--model', out, '--backend', 'float64'],
      ]) {
        const { code, stderr } = await run(...argv);
        const errors = stderr.split('\n').filter((line) => line.startsWith('linattn:'));
        expect(errors).toHaveLength(1);
        expect(errors[0]).toMatch(message);
        expect(code).toBe(2);
      }
    };
    const whole = readFileSync(model);
    truncateSync(model, whole.length - 100);
    await expectRefusal(/model-[0-9a-f]+\.safetensors/);
    writeFileSync(model, Buffer.from(whole).fill(7, whole.length - 4));
    await expectRefusal(/model-[0-9a-f]+\.safetensors/);
    rmSync(model);
    await expectRefusal(/there is no such file/);
    rmSync(checkpoint, { recursive: true });
    await expectRefusal(/checkpoint\.json: there is no such file/);
    writeFileSync(join(out, 'run.json'), '{"version": 1');
    await expectRefusal(/run\.json is no JSON/);
  });

  test('is not written over unless that is said', async () => {
    const out = await trained();
    const again = ['train', ...onFloat64, '--steps', '2', '--story-tokens', '0', '--out', out];
    const refused = await run(...again);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^linattn: --out: .* holds a run already/);
    expect(losses(out)).toHaveLength(1);
    expect((await run(...again, '--overwrite')).code).toBe(0);
    expect(losses(out)).toHaveLength(2);
  });

  test('with a text that changed is not resumed', async () => {
    const folder = temporaryFolder();
    const data = join(folder, 'text.txt');
    writeFileSync(data, 'A line of text.\n'.repeat(200));
    const out = join(folder, 'run');
    mkdirSync(out);
    expect(
      (await run('train', ...onFloat64, '--data', data, '--steps', '1', '--out', out, '--story-tokens', '0')).code,
    ).toBe(0);
    writeFileSync(data, 'A line of toxt.\n'.repeat(200));
    const { code, stderr } = await run('train', '--resume', out);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^linattn: --resume: .*text\.txt changed since the run began/);
  });
});

test('a tokenizer that does not fit the model is refused', async () => {
  const folder = temporaryFolder();
  const data = join(folder, 'text.txt');
  writeFileSync(data, 'ab abc ca. '.repeat(100));
  const tokenizer = join(folder, 'tokenizer.json');
  writeFileSync(tokenizer, JSON.stringify(tinyTokenizer));
  const out = join(folder, 'run');
  const trained = await run(
    'train',
    ...onFloat64,
    '--data',
    data,
    '--tokenizer',
    tokenizer,
    '--steps',
    '1',
    '--out',
    out,
    '--story-tokens',
    '0',
  );
  expect(trained.code).toBe(0);
  const { code, stderr } = await run('generate', '--model', out, '--tokenizer', 'bytes', '--backend', 'float64', '-q');
  expect(stderr.trimEnd()).toBe(
    "linattn: --tokenizer: expected at most the model's 8 tokens, given bytes with 256 tokens",
  );
  expect(code).toBe(2);
});

test('a slow backend trains a smaller model unless told otherwise', async () => {
  const out = join(temporaryFolder(), 'run');
  const words = '--hidden 16 --heads 2 --batch 1 --layers 1 --stories 60 --steps 1 --evaluations 0 --story-tokens 0';
  expect((await run('train', ...words.split(' '), '--backend', 'float64', '--out', out)).code).toBe(0);
  const { model, seqLen } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
  // What was given stays; what was not is made smaller.
  expect([model.layers, model.attention.order, seqLen]).toEqual([1, 1, 256]);
});
