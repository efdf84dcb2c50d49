import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright';
import { build, type PreviewServer, preview } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { hasChromium, launchOptions } from '../../../tools/test-report/chromium.ts';

// The page as a person uses it, in Chromium, built from the sources as they are.

const root = join(import.meta.dirname, '..');
const screenshots = join(import.meta.dirname, '__screenshots__');
const outDir = mkdtempSync(join(tmpdir(), 'linattn-playground-'));

let server: PreviewServer;
let browser: Browser;
let address: string;
const open: BrowserContext[] = [];

/** Runs in every worker before its own code. */
type Prelude = string | (() => void);

interface Visit {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly prelude?: Prelude;
  /** Workers start when this is done. */
  readonly holdWorkers?: Promise<void>;
}

/** A fresh visitor. What the console calls an error fails the test. */
async function visit({ width = 1280, height = 900, dark = false, prelude, holdWorkers }: Visit = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    acceptDownloads: true,
  });
  open.push(context);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(error.message));
  const code = typeof prelude === 'function' ? `(${prelude})();` : (prelude ?? '');
  if (prelude || holdWorkers) {
    await page.route('**/worker-*.js', async (route) => {
      await holdWorkers;
      const response = await route.fetch();
      await route.fulfill({ response, body: `${code}\n${await response.text()}` });
    });
  }
  await page.goto(address);
  return { page, errors };
}

/** Waits for it: the machine may be busy with other tests. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 45_000 });

const numbersOf = async (table: Locator): Promise<number[]> =>
  (await table.locator('tbody td').allTextContents()).map((text) => Number(text.replace('−', '-').replace('e−', 'e-')));

const matrix = (page: Page, caption: string) =>
  page.locator('table.matrix').filter({ has: page.locator('caption', { hasText: new RegExp(`^${caption}$`) }) });

const shoot = (part: Locator, name: string) =>
  part.screenshot({ path: join(screenshots, `${name}.png`), animations: 'disabled' });

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join('; ')}`);
  expect(found).toEqual([]);
}

/** The page is as wide as its window: nothing but its own parts scrolls sideways. */
const expectNoOverflow = async (page: Page) =>
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);

/** Of many tasks none is as long as three frames. */
async function expectAwake(tasks: () => Promise<number[]>): Promise<void> {
  const [longest, ...others] = await tasks();
  expect(others.length).toBeGreaterThan(100);
  expect(longest).toBeLessThan(50);
}

interface TraceEvent {
  readonly ph: string;
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of its processor's time. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/**
 * Tasks of the page's own thread until the returned function is called, the longest first, in milliseconds of processor time: what the page
 * itself takes. How long a frame waits for a processor is up to the machine, and to what else it does.
 */
async function recordTasks(page: Page): Promise<() => Promise<number[]>> {
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline'] });
  return async () => {
    const { traceEvents } = JSON.parse(String(await browser.stopTracing())) as { traceEvents: TraceEvent[] };
    const ofThread = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
    const pages = new Set(
      traceEvents.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map(ofThread),
    );
    return traceEvents
      .filter((event) => event.name === 'RunTask' && event.ph === 'X' && pages.has(ofThread(event)))
      .map(({ tdur = 0 }) => tdur / 1000)
      .sort((x, y) => y - x);
  };
}

async function tinyRun(page: Page, steps = 40): Promise<void> {
  const section = page.locator('#train');
  await section.getByLabel('Model', { exact: true }).selectOption('tiny');
  await section.getByLabel('Length').selectOption('64');
  await section.getByLabel('Steps').fill(String(steps));
  await section.getByLabel('Steps').blur();
}

const factOf = (page: Page, name: string) => page.locator('#train .facts div').filter({ hasText: name }).locator('dd');

describe.skipIf(!hasChromium)('the page', () => {
  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true });
    await build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true } });
    server = await preview({ root, logLevel: 'error', build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
    address = server.resolvedUrls!.local[0];
    browser = await chromium.launch(launchOptions);
  }, 60_000);

  afterEach(async () => {
    await Promise.all(open.splice(0).map((context) => context.close()));
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  test('walking through: the state adds up, the gradient passes given tokens untouched, words change the numbers', async () => {
    const { page, errors } = await visit();
    const words = page.locator('.step-words');
    await eventually(() => words.textContent()).toContain('Forward: token 2');
    const [before, added, after] = await Promise.all(
      ['S₁', 'φ\\(k₂\\) w₂ᵀ', 'S₂'].map((name) => numbersOf(matrix(page, name))),
    );
    expect(after).toHaveLength(9);
    // Shown to two decimals.
    after.forEach((value, i) => {
      expect(Math.abs(value - before[i] - added[i])).toBeLessThan(0.0151);
    });

    await page.getByLabel('Token 2, given').fill('lost');
    await eventually(() => words.textContent()).toContain('“lost”');
    await eventually(() => numbersOf(matrix(page, 'S₂'))).not.toEqual(after);

    // By keyboard alone: from the button, to the end and back.
    await page.getByRole('button', { name: 'Next' }).focus();
    await page.keyboard.press('Enter');
    await eventually(() => words.textContent()).toContain('Forward: token 3');
    await page.keyboard.press('End');
    await eventually(() => words.textContent()).toContain('Backward: token 1');
    await eventually(() => page.locator('.untouched').textContent()).toContain('Untouched');
    expect(await numbersOf(matrix(page, '∂L/∂S₁'))).toEqual(await numbersOf(matrix(page, '∂L/∂S₂')));
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowLeft');
    await eventually(() => words.textContent()).toContain('Backward: token 4');
    expect(await page.locator('.untouched').count()).toBe(0);
    expect(await numbersOf(matrix(page, '∂L/∂S₄'))).not.toEqual(await numbersOf(matrix(page, '∂L/∂S₅')));
    await shoot(page.locator('#walk'), 'walk-backward');

    // More tokens: the table grows, the state does not.
    await page.getByLabel('Generated tokens').fill('6');
    await page.getByLabel('Generated tokens').blur();
    await eventually(() => page.locator('.method caption').first().textContent()).toContain('9 × 9');
    expect(await numbersOf(page.locator('.equation table').last())).toHaveLength(9);
    expect(await page.getByTestId('walk-check').textContent()).toMatch(/at most (0|\de−1[4-9]),/);
    expect(errors).toEqual([]);
  });

  test('what is typed stays, however often the page is drawn again meanwhile', async () => {
    let found = () => {};
    const { page, errors } = await visit({ holdWorkers: new Promise((resolve) => (found = () => resolve())) });
    const section = page.locator('#train');
    const steps = section.getByLabel('Steps');
    await steps.click();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('1');
    // What works here is found out now: the form is drawn again with it.
    found();
    await eventually(() => section.locator('.backend .hint').textContent()).toMatch(/^WebAssembly/);
    await page.keyboard.type('230');
    expect(await steps.inputValue()).toBe('1230');
    await section.getByLabel('Model', { exact: true }).selectOption('tiny');
    expect(await steps.inputValue()).toBe('1230');
    await section.getByRole('button', { name: 'Train', exact: true }).click();
    await eventually(() => factOf(page, 'Step').textContent()).toMatch(/of 1,230$/);
    await section.getByRole('button', { name: 'End this run' }).click();
    // Out of range: the nearest that is in it, once the field is left.
    await steps.fill('7');
    await steps.blur();
    expect(await steps.inputValue()).toBe('20');

    const word = page.getByLabel('Token 1, given');
    await word.fill('');
    await word.pressSequentially('New York');
    expect(await word.inputValue()).toBe('New York');
    await page.locator('summary').click();
    const number = page.getByLabel('Token 1, q1');
    await number.fill('');
    await number.pressSequentially('-1.05');
    expect(await number.inputValue()).toBe('-1.05');
    expect(errors).toEqual([]);
  });

  test('training: a model learns, writes with a state that does not grow, is saved, opened and trained further', async () => {
    const { page, errors } = await visit();
    const section = page.locator('#train');
    await eventually(() => section.locator('.backend .hint').textContent()).toMatch(/WebAssembly \(\d+ thread/);
    // The GPU is emulated here: it is passed over, and the page says why.
    await eventually(() => section.locator('.backend .hint').textContent()).toMatch(/WebGPU: .*(emulated|no access)/);
    await tinyRun(page);
    const tasks = await recordTasks(page);
    await section.getByRole('button', { name: 'Train', exact: true }).click();
    await eventually(() => factOf(page, 'Step').textContent()).toBe('40 of 40');
    await expectAwake(tasks);
    await eventually(() => section.getByRole('button', { name: 'Train further' }).count()).toBe(1);
    expect(Number(await factOf(page, 'Loss on unseen').textContent())).toBeLessThan(3.2);
    expect(await section.locator('.chart').getAttribute('aria-label')).toMatch(
      /Step 40: [123]\.\d+ nats a byte, from 5/,
    );
    await eventually(() => section.locator('.chart svg').count()).toBe(1);
    expect((await section.locator('.samples li p').first().textContent())!.length).toBeGreaterThan(40);

    // Writing: the state's size is the same at any token; keys and values would grow.
    await section.getByRole('button', { name: 'Write', exact: true }).click();
    const meter = section.locator('.meter');
    const tokens = async () =>
      Number((await meter.locator('caption').textContent())?.match(/after ([\d,]+) tok/)?.[1].replace(',', ''));
    const held = (row: number) => meter.locator('.count').nth(row).textContent();
    await eventually(tokens).toBeGreaterThan(20);
    const [state, cache] = [await held(0), await held(1)];
    await eventually(() => held(1)).not.toBe(cache);
    await eventually(tokens).toBeGreaterThan(300);
    expect(await held(0)).toBe(state);
    await section.getByRole('button', { name: 'Stop writing' }).click();
    await eventually(() => section.getByRole('button', { name: 'Write', exact: true }).count()).toBe(1);
    expect(await section.locator('.text').textContent()).toMatch(/^Once upon a time.{200}/s);
    await shoot(section, 'train');
    await expectAccessible(page);

    const saving = page.waitForEvent('download');
    await section.getByRole('button', { name: 'Save the model' }).click();
    const saved = await saving;
    expect(saved.suggestedFilename()).toBe('linattn-step-40.safetensors');
    const path = await saved.path();
    await section.getByRole('button', { name: 'End this run' }).click();
    expect(await section.locator('.run').count()).toBe(0);
    await section.getByLabel('Open a saved model').setInputFiles({
      name: 'linattn-step-40.safetensors',
      mimeType: 'application/octet-stream',
      buffer: await readFile(path),
    });
    await eventually(() => factOf(page, 'Step').textContent()).toBe('40 of 40');
    await section.getByRole('button', { name: 'Train further' }).click();
    await eventually(() => factOf(page, 'Step').textContent()).toMatch(/^4[2-9]|^[5-9]\d/);
    await section.getByRole('button', { name: 'Pause' }).click();

    // A file that is no model harms nothing.
    await section.getByLabel('Open a saved model').setInputFiles({
      name: 'notes.safetensors',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from('not a model'),
    });
    await eventually(() => section.getByRole('alert').textContent()).toContain('notes.safetensors');
    expect(await section.locator('.run').count()).toBe(1);
    expect(errors).toEqual([]);
  });

  test('on a phone in the dark: the walk, and softmax attention on a text of the visitor’s own', async () => {
    const { page, errors } = await visit({ width: 375, height: 800, dark: true });
    await page.locator('summary').click();
    await expectNoOverflow(page);
    const section = page.locator('#train');
    await section.getByLabel('Use a text of yours').setInputFiles({
      name: 'tide.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('The tide comes in and the tide goes out. '.repeat(60)),
    });
    await section.getByLabel('Attention', { exact: true }).selectOption('softmax');
    expect(await section.getByLabel('In place of dropout').locator('option').count()).toBe(3);
    await tinyRun(page, 30);
    await section.getByRole('button', { name: 'Train', exact: true }).click();
    await eventually(() => factOf(page, 'Step').textContent()).toBe('30 of 30');
    expect(await section.locator('.run > .note').first().textContent()).toContain('tide.txt');
    await eventually(() => section.locator('.chart svg').count()).toBe(1);
    await expectNoOverflow(page);
    await expectAccessible(page);
    await shoot(page.locator('body'), 'phone-dark');
    expect(errors).toEqual([]);
  });

  test('measuring: charts and slopes grow, the page stays awake, it ends at once, files come out', async () => {
    const { page, errors } = await visit();
    const section = page.locator('#measure');
    await section.getByLabel('Up to N').selectOption('65536');
    await section.getByLabel('Features D').selectOption('16');
    await section.getByLabel('Most memory').selectOption(String(2 ** 26));
    const tasks = await recordTasks(page);
    await section.getByRole('button', { name: 'Measure' }).click();
    const row = (method: string) => section.locator('.slopes tbody tr').filter({ hasText: method });
    await eventually(() => row('Softmax, full').textContent()).toContain('× out of memory');
    await section.getByRole('button', { name: 'Cancel' }).click();
    await eventually(() => section.getByRole('button', { name: 'Measure' }).count()).toBe(1);
    await expectAwake(tasks);

    // Memory is exact: full softmax's grows as the square, linear attention's in proportion.
    const memorySlope = async (method: string) => Number(await row(method).locator('td').nth(1).textContent());
    expect(await memorySlope('Softmax, full')).toBeGreaterThan(1.7);
    expect(Math.abs((await memorySlope('Linear attention')) - 1)).toBeLessThan(0.1);
    await eventually(() => section.locator('.chart svg').count()).toBe(2);
    await shoot(section, 'measure');
    await expectAccessible(page);

    const files: Record<string, string> = {};
    for (const kind of ['SVG', 'CSV', 'JSON']) {
      const saving = page.waitForEvent('download');
      await section.getByRole('button', { name: `Save as ${kind}` }).click();
      files[kind] = await readFile(await (await saving).path(), 'utf8');
    }
    const { rows } = JSON.parse(files.JSON) as { rows: readonly { outcome: { type: string } }[] };
    expect(files.CSV.trim().split('\n')).toHaveLength(rows.length + 1);
    expect(rows.some(({ outcome }) => outcome.type === 'memory')).toBe(true);
    expect(files.SVG).toMatch(/^<svg xmlns.*<path/s);
    expect(files.SVG).not.toContain('var(--');

    // The same against D.
    await section.getByLabel('What grows').selectOption('features');
    await section.getByLabel('Up to D').selectOption('32');
    await section.getByRole('button', { name: 'Measure' }).click();
    await eventually(() => row('Softmax, tiled').locator('td').nth(2).textContent()).toBe('32');
    await eventually(() => section.getByRole('button', { name: 'Measure' }).count()).toBe(1);
    expect(await section.locator('.slopes thead').textContent()).toContain('∝ D');
    expect(errors).toEqual([]);
  });

  test('a GPU that computes wrongly by WebGPU is passed over, by name', async () => {
    const { page, errors } = await visit({
      prelude: () => {
        // A card to the page, what it is to the backend: kernels are other ones for cards, which take minutes to compile here.
        const own = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'info')!;
        let asked = 0;
        Object.defineProperty(GPUAdapter.prototype, 'info', {
          get() {
            return asked++ === 0 ? { vendor: 'A card', isFallbackAdapter: false } : own.get!.call(this);
          },
        });
        const { getMappedRange } = GPUBuffer.prototype;
        GPUBuffer.prototype.getMappedRange = function (...range) {
          const bytes = getMappedRange.apply(this, range);
          new Float32Array(bytes).forEach((x, i, numbers) => {
            numbers[i] = 1.01 * x;
          });
          return bytes;
        };
      },
    });
    await eventually(() => page.locator('#train .backend .hint').textContent()).toMatch(
      /^WebAssembly .*WebGPU: A card: its results are off by/,
    );
    expect(errors).toEqual([]);
  });

  test('no WebGPU: the page says so, and takes WebAssembly', async () => {
    const { page, errors } = await visit({
      prelude: () => {
        const { GPU } = self as unknown as { GPU: { prototype: object } };
        Object.defineProperty(GPU.prototype, 'requestAdapter', { value: async () => null });
      },
    });
    const section = page.locator('#train');
    await eventually(() => section.locator('.backend .hint').textContent()).toMatch(
      /^WebAssembly .*WebGPU: the browser gives no access to a GPU.*gpu\.js on WebGL2: .*emulated/,
    );
    expect(await section.locator('option[value=webgpu]').isDisabled()).toBe(true);
    expect(errors).toEqual([]);
  });

  describe('no WebGPU, but a GPU by WebGL2', () => {
    // SwiftShader under the name of a GPU.
    const pretend = () => {
      Object.defineProperty(navigator, 'gpu', { value: undefined });
      const { getParameter } = WebGL2RenderingContext.prototype;
      WebGL2RenderingContext.prototype.getParameter = function (name) {
        return name === 0x9246 ? 'ANGLE (A card, OpenGL)' : getParameter.call(this, name);
      };
      const { getContext } = OffscreenCanvas.prototype;
      OffscreenCanvas.prototype.getContext = function (this: OffscreenCanvas, type: 'webgl2', options: object = {}) {
        return getContext.call(this, type, { ...options, failIfMajorPerformanceCaveat: false });
      } as typeof getContext;
    };

    test('the page takes gpu.js there, says why, and computes on it', async () => {
      const { page, errors } = await visit({ prelude: pretend });
      const section = page.locator('#measure');
      await eventually(() => section.locator('.backend .hint').textContent()).toMatch(
        /^gpu\.js on WebGL2 \(ANGLE \(A card.*WebGPU: this browser has none/,
      );
      await section.getByRole('button', { name: 'Measure' }).click();
      await eventually(() => section.locator('.results > .note').first().textContent()).toContain('gpu.js, webgl2');
      const linear = section.locator('.slopes tbody tr').filter({ hasText: 'Linear attention' });
      await eventually(() => linear.locator('td').nth(2).textContent()).toBe('128');
      await section.getByRole('button', { name: 'Cancel' }).click();
      expect(errors).toEqual([]);
    });

    test('one that computes wrongly is passed over, by name', async () => {
      const { page, errors } = await visit({
        prelude: `(${pretend})();
          const { readPixels } = WebGL2RenderingContext.prototype;
          WebGL2RenderingContext.prototype.readPixels = function (...where) {
            readPixels.apply(this, where);
            const numbers = where.at(-1);
            // gpu.js reads a few to find out what works.
            if (numbers.length > 64) numbers.forEach((x, i) => (numbers[i] = 1.01 * x));
          };`,
      });
      await eventually(() => page.locator('#train .backend .hint').textContent()).toMatch(
        /^WebAssembly .*gpu\.js on WebGL2: ANGLE \(A card, OpenGL\): its results are off by/,
      );
      expect(errors).toEqual([]);
    });
  });

  test('two tabs train side by side; the browser asks before a model is left that is in no file', async () => {
    const { page, errors } = await visit();
    const other = await page.context().newPage();
    await other.goto(address);
    for (const each of [page, other]) {
      await tinyRun(each, 120);
      await each.getByRole('button', { name: 'Train', exact: true }).click();
    }
    for (const each of [page, other]) {
      await eventually(() => each.getByRole('button', { name: 'Train further' }).count()).toBe(1);
      expect(await factOf(each, 'Step').textContent()).toBe('120 of 120');
    }
    // The same seed and text: neither disturbed the other.
    const losses = [page, other].map((each) => factOf(each, 'Loss on unseen').textContent());
    expect(await losses[0]).toBe(await losses[1]);

    await page.bringToFront();
    const asking = page.waitForEvent('dialog');
    await page.close({ runBeforeUnload: true });
    const dialog = await asking;
    expect(dialog.type()).toBe('beforeunload');
    await dialog.dismiss();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the model' }).click();
    await (await saving).path();
    const closed = page.waitForEvent('close');
    await page.close({ runBeforeUnload: true });
    await closed;
    expect(errors).toEqual([]);
  });

  test('the device is lost: the page says what happened, and goes on elsewhere', async () => {
    const { page } = await visit({
      prelude: () => {
        const adapter = (self as unknown as { GPUAdapter: { prototype: { requestDevice: () => Promise<GPUDevice> } } })
          .GPUAdapter.prototype;
        const { requestDevice } = adapter;
        adapter.requestDevice = async function (this: typeof adapter, ...options) {
          const device = await requestDevice.apply(this, options);
          setTimeout(() => device.destroy());
          return device;
        };
      },
    });
    const section = page.locator('#train');
    await tinyRun(page, 20);
    await eventually(() => section.locator('option[value=webgpu]').isDisabled()).toBe(false);
    await section.getByLabel('Computed by').selectOption('webgpu');
    await section.getByRole('button', { name: 'Train', exact: true }).click();
    const alert = section.getByRole('alert');
    await eventually(() => alert.textContent()).toMatch(/WebGPU stopped.*lost/s);
    await shoot(section, 'device-lost');
    await alert.getByRole('button', { name: 'Go on with WebAssembly, from the beginning' }).click();
    await eventually(() => factOf(page, 'Step').textContent()).toBe('20 of 20');
    expect(await section.getByRole('alert').count()).toBe(0);
  });
});
