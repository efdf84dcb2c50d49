import { createReadStream, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright-core';

// Visits the built playground in Chromium on whatever GPU is there, as a person would, and writes down what it says: a folder with results.json
// and screenshots. page.mjs SITE OUT [VISIT,...]

const [site, out, only] = process.argv.slice(2);
mkdirSync(out, { recursive: true });

const always = ['--no-sandbox', '--disable-gpu-sandbox', '--ignore-gpu-blocklist'];
const vulkan = ['--enable-features=Vulkan,VulkanFromANGLE,DefaultANGLEVulkan', '--disable-vulkan-surface'];
/** Ways to a GPU without a display. The first that has the most of WebGPU and WebGL2 is taken: those nearest to what visitors have come first. */
const ways = [
  [...vulkan, '--use-angle=vulkan'],
  [...vulkan, '--use-angle=vulkan', '--use-vulkan=native'],
  [...vulkan, '--use-angle=vulkan', '--enable-unsafe-webgpu'],
  [...vulkan, '--use-angle=vulkan', '--use-vulkan=native', '--enable-unsafe-webgpu'],
  [...vulkan, '--use-gl=angle', '--use-angle=gl-egl', '--enable-unsafe-webgpu'],
  ['--use-gl=angle', '--use-angle=gl-egl', '--enable-unsafe-webgpu'],
  [...vulkan, '--enable-gpu', '--enable-unsafe-webgpu', '--use-webgpu-adapter=default'],
  ['--enable-unsafe-webgpu', '--use-webgpu-adapter=default'],
];

const results: Record<string, unknown> = { date: new Date().toISOString() };
const started = performance.now();
const secondsSince = (start: number) => Math.round((performance.now() - start) / 10) / 100;
const log = (...words: unknown[]) => console.log(secondsSince(started), ...words);

function write(): void {
  // A line a row: easy to compare.
  const text = JSON.stringify(results, null, 1).replace(
    /\[\s+([^[\]{}]*?)\s+\]/g,
    (_, row: string) => `[${row.replace(/\s+/g, ' ')}]`,
  );
  writeFileSync(join(out, 'results.json'), `${text}\n`);
}

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};
const server = createServer(({ url = '/' }, response) => {
  const { pathname } = new URL(url, 'http://localhost');
  const path = join(site, normalize(pathname === '/' ? '/index.html' : pathname));
  if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end();
  response.writeHead(200, {
    'Content-Type': types[extname(path)] ?? 'application/octet-stream',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  });
  createReadStream(path).pipe(response);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

const launch = (flags: readonly string[]) =>
  chromium.launch({ executablePath: process.env.CHROMIUM_BIN, args: [...always, ...flags], timeout: 30_000 });

/** What Chromium offers a page by these flags. */
async function look(browser: Browser) {
  const page = await browser.newPage();
  await page.goto(address);
  const found = await page.evaluate(async () => {
    // A browser that has just started may not have its GPU yet.
    let asked = 0;
    let adapter: GPUAdapter | null = null;
    while (!adapter && asked++ < 6) {
      if (asked > 1) await new Promise((resolve) => setTimeout(resolve, 300));
      adapter = (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null;
    }
    const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
    const names = gl?.getExtension('WEBGL_debug_renderer_info');
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter?.info ?? {};
    const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = adapter?.limits ?? {};
    return {
      asked,
      webgpu: adapter && { vendor, architecture, device, description, isFallbackAdapter },
      limits: { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize },
      features: [...(adapter?.features ?? [])],
      webgl2: names ? String(gl!.getParameter(names.UNMASKED_RENDERER_WEBGL)) : null,
      isolated: crossOriginIsolated,
      processors: navigator.hardwareConcurrency,
    };
  });
  const { gpu } = await (await browser.newBrowserCDPSession()).send('SystemInfo.getInfo');
  const { devices, driverBugWorkarounds: _, featureStatus } = gpu;
  await page.close();
  return { ...found, devices, featureStatus };
}

const isReal = (name: string | null | undefined) => !!name && !/swiftshader|llvmpipe|software|google/i.test(name);

async function findWay(): Promise<readonly string[]> {
  const tried: object[] = [];
  results.ways = tried;
  let best = { score: 0, flags: ways[0] };
  for (const flags of ways) {
    let browser: Browser | undefined;
    try {
      browser = await launch(flags);
      const found = await Promise.race([
        look(browser),
        wait(20_000).then(() => Promise.reject(new Error('no answer in 20 s'))),
      ]);
      const real = [isReal(found.webgpu?.vendor) && !found.webgpu?.isFallbackAdapter, isReal(found.webgl2)];
      const score = (real[0] ? 2 : 0) + (real[1] ? 1 : 0);
      tried.push({
        flags: flags.join(' '),
        asked: found.asked,
        webgpu: found.webgpu?.vendor ?? null,
        webgl2: found.webgl2,
        real,
      });
      log('way', flags.join(' '), JSON.stringify(found));
      if (score > best.score) {
        best = { score, flags };
        Object.assign(results, { browser: browser.version(), flags: [...always, ...flags].join(' '), ...found });
      }
      if (score === 3) break;
    } catch (error) {
      tried.push({ flags: flags.join(' '), error: String(error) });
      log('way', flags.join(' '), String(error));
    } finally {
      await browser?.close().catch(() => {});
    }
    write();
  }
  return best.flags;
}

/** Notes in the page how long frames and tasks take. */
function watchFrames(): void {
  const gaps: number[] = [];
  const tasks: number[] = [];
  let last: number | undefined;
  const tick = (now: number) => {
    if (last !== undefined) gaps.push(now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
    type: 'longtask',
  });
  Object.assign(window, {
    takeFrames: () => {
      const all = gaps.splice(0).sort((x, y) => x - y);
      return {
        frames: all.length,
        medianMs: all[all.length >> 1],
        longestMs: all.slice(-5).map((gap) => Math.round(10 * gap) / 10),
        over50ms: all.filter((gap) => gap > 50).length,
        longTasksMs: tasks.splice(0),
      };
    },
  });
}
const takeFrames = (page: Page) =>
  page.evaluate(() => (window as unknown as { takeFrames: () => object }).takeFrames());

const shoot = (page: Page, section: string, name: string) =>
  page.locator(section).screenshot({ path: join(out, `${name}.png`), animations: 'disabled' });

const textOf = async (page: Page, selector: string) =>
  (await page.locator(selector).first().textContent())?.trim() ?? '';

const tableOf = (page: Page, selector: string) =>
  page
    .locator(`${selector} tr`)
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent!.trim()).join(' | ')));

/** How often a GPU had to be asked for, and what the browser adds to every result that is read, in milliseconds. */
const device = (page: Page) =>
  page.evaluate(async () => {
    const asked: number[] = [];
    let adapter: GPUAdapter | null = null;
    for (let i = 0; i < 10 && !adapter; i++) {
      const start = performance.now();
      adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
      asked.push(performance.now() - start);
      if (!adapter) await new Promise((resolve) => setTimeout(resolve, 300));
    }
    if (!adapter) return { asked, found: false };
    const gpu = await adapter.requestDevice();
    const staging = gpu.createBuffer({ size: 256, usage: 1 | 8 });
    const timed = async (each: () => Promise<unknown> | undefined, times: number) => {
      const all: number[] = [];
      for (let i = 0; i < times; i++) {
        const start = performance.now();
        await each();
        all.push(Math.round(1000 * (performance.now() - start)) / 1000);
      }
      all.sort((x, y) => x - y);
      return { least: all[0], median: all[times >> 1], tenth: all[Math.floor(0.9 * times)], most: all[times - 1] };
    };
    const source = gpu.createBuffer({ size: 256, usage: 4 | 8 });
    const read = async () => {
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, staging, 0, 256);
      gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      staging.unmap();
    };
    const allocate = async (bytes: number) => {
      const buffer = gpu.createBuffer({ size: bytes, usage: 128 | 4 | 8 });
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, staging, 0, 256);
      gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      staging.unmap();
      buffer.destroy();
    };
    return {
      asked,
      found: true,
      read: await timed(read, 300),
      submittedWorkDone: await timed(() => gpu.queue.onSubmittedWorkDone(), 100),
      allocate1MiB: await timed(() => allocate(2 ** 20), 100),
      allocate64MiB: await timed(() => allocate(2 ** 26), 30),
    };
  });

async function walk(page: Page) {
  const words = page.locator('.step-words');
  const steps = [await words.textContent()];
  await page.getByRole('button', { name: 'Next' }).focus();
  for (const key of ['Enter', 'End', 'ArrowLeft', 'ArrowLeft']) {
    await page.keyboard.press(key);
    await wait(200);
    steps.push(await words.textContent());
  }
  await shoot(page, 'body', 'walk');
  return { steps, check: await page.getByTestId('walk-check').textContent() };
}

interface MeasureOptions {
  readonly name: string;
  readonly seconds: number;
  readonly backend?: string;
  readonly upTo?: number;
  readonly features?: number;
  readonly limit?: number;
}

async function measure(page: Page, { name, seconds, backend, upTo, features, limit }: MeasureOptions) {
  const section = page.locator('#measure');
  const choose = async (label: string, value?: string | number) =>
    value !== undefined && void (await section.getByLabel(label).selectOption(String(value)));
  await choose('Computed by', backend);
  await choose('Up to N', upTo);
  await choose('Features D', features);
  await choose('Most memory', limit);
  await takeFrames(page);
  const start = performance.now();
  await section.getByRole('button', { name: 'Measure', exact: true }).click();
  const cancel = section.getByRole('button', { name: 'Cancel' });
  await cancel.waitFor();
  let doing = '';
  while ((await cancel.count()) > 0 && secondsSince(start) < seconds) {
    doing = await textOf(page, '#measure .doing');
    await wait(250);
  }
  const took = secondsSince(start);
  const cancelled = (await cancel.count()) > 0;
  if (cancelled) await cancel.click();
  const frames = await takeFrames(page);
  const failure = await section.getByRole('alert').allTextContents();
  if ((await section.locator('.results').count()) === 0) return { took, cancelled, doing, failure, frames };
  const saving = page.waitForEvent('download');
  await section.getByRole('button', { name: 'Save as JSON' }).click();
  const { device, rows } = JSON.parse(await readFile((await (await saving).path())!, 'utf8')) as {
    device: string;
    rows: { method: string; pass: string; tokens: number; outcome: Record<string, unknown> & { type: string } }[];
  };
  const series: Record<string, unknown[][]> = {};
  for (const { method, pass, tokens, outcome } of rows) {
    const { type, seconds, runs, peakBytes } = outcome;
    const values = type === 'measured' ? [seconds, runs, peakBytes] : [type];
    (series[`${method} ${pass}`] ??= []).push([tokens, ...values]);
  }
  const tables: Record<string, string[]> = {};
  for (const pass of ['Forward', 'Forward and backward']) {
    await section.getByLabel(pass, { exact: true }).check();
    await wait(700);
    tables[pass] = await tableOf(page, '#measure .slopes');
    await shoot(page, '#measure', `${name}-${pass === 'Forward' ? 'forward' : 'both'}`);
  }
  const columns = 'tokens, seconds of a run, runs, peak bytes';
  return { device, took, cancelled, ...(cancelled && { doing }), failure, frames, tables, columns, series };
}

interface TrainOptions {
  readonly name: string;
  readonly seconds: number;
  readonly attention?: string;
  readonly size?: string;
  readonly length?: number;
  readonly steps?: number;
  readonly backend?: string;
  /** Seconds to write for, afterwards. */
  readonly writing?: number;
}

async function startTraining(page: Page, { attention, size, length, steps, backend }: TrainOptions): Promise<void> {
  const section = page.locator('#train');
  if (backend) await section.getByLabel('Computed by').selectOption(backend);
  if (attention) await section.getByLabel('Attention', { exact: true }).selectOption(attention);
  if (size) await section.getByLabel('Model', { exact: true }).selectOption(size);
  if (length) await section.getByLabel('Length').selectOption(String(length));
  if (steps) {
    await section.getByLabel('Steps').fill(String(steps));
    await section.getByLabel('Steps').blur();
  }
  await takeFrames(page);
  await section.getByRole('button', { name: 'Train', exact: true }).click();
}

const factsOf = (page: Page) =>
  page
    .locator('#train .facts')
    .evaluateAll((lists) =>
      lists.flatMap((list) => [...list.querySelectorAll('dd')].map((each) => each.textContent!)).slice(0, 6),
    );

async function train(page: Page, options: TrainOptions) {
  const section = page.locator('#train');
  const start = performance.now();
  await startTraining(page, options);
  const facts: (string | number)[][] = [];
  const doings: string[] = [];
  const further = section.getByRole('button', { name: 'Train further' });
  const alert = section.getByRole('alert');
  let failure: string[] = [];
  while (secondsSince(start) < options.seconds) {
    const doing = await textOf(page, '#train .doing');
    if (doing && !doings.at(-1)?.endsWith(doing)) doings.push(`${secondsSince(start)} s: ${doing}`);
    const now = await factsOf(page);
    if (now[1] && now[1] !== '–' && now[0] !== facts.at(-1)?.[1]) facts.push([secondsSince(start), ...now]);
    if ((await further.count()) > 0) break;
    failure = await alert.allTextContents();
    if (failure.length > 0) break;
    await wait(300);
  }
  const took = secondsSince(start);
  const pause = section.getByRole('button', { name: 'Pause' });
  if ((await pause.count()) > 0) await pause.click();
  await wait(800);
  const frames = await takeFrames(page);
  const found = {
    took,
    note: await section
      .locator('.run > .note')
      .first()
      .textContent()
      .catch(() => null),
    chart: await section
      .locator('.chart')
      .first()
      .getAttribute('aria-label')
      .catch(() => null),
    samples: await section.locator('.samples li').allTextContents(),
    failure,
    doings,
    frames,
    columns: 'seconds, step, loss, loss on unseen text, tokens a second, memory in tensors, kept for reuse',
    facts: facts.filter((_, i) => i % Math.ceil(facts.length / 20) === 0 || i === facts.length - 1),
  };
  const written = options.writing && failure.length === 0 ? await writeText(page, options.writing) : undefined;
  await shoot(page, '#train', options.name);
  return { ...found, ...(written && { written }) };
}

async function writeText(page: Page, seconds: number) {
  const section = page.locator('#train');
  await takeFrames(page);
  await section.getByRole('button', { name: 'Write', exact: true }).click();
  const meters: string[] = [];
  for (let i = 0; i < 4; i++) {
    await wait((1000 * seconds) / 4);
    meters.push((await tableOf(page, '#train .meter')).concat(await textOf(page, '#train .meter caption')).join('; '));
  }
  await section.getByRole('button', { name: 'Stop writing' }).click();
  await wait(300);
  const text = await textOf(page, '#train .text');
  return { meters, text: text.slice(0, 600), frames: await takeFrames(page) };
}

/** Ends the process of the GPU while a model trains: what a driver that hangs does. */
async function lose(page: Page, { name, seconds }: { readonly name: string; readonly seconds: number }) {
  const section = page.locator('#train');
  await startTraining(page, { name, seconds, steps: 100_000 });
  await wait(1000 * seconds);
  const before = await factsOf(page);
  const devtools = await page.context().browser()!.newBrowserCDPSession();
  devtools.send('Browser.crashGpuProcess').catch(() => {});
  const alert = section.getByRole('alert');
  await alert.waitFor({ timeout: 20_000 });
  const said = await alert.textContent();
  await shoot(page, '#train', name);
  await alert.getByRole('button', { name: /^Try/ }).click();
  await wait(8000);
  return {
    before,
    said,
    after: await factsOf(page),
    failure: await alert.allTextContents(),
    backend: await textOf(page, '#train .run > .note'),
  };
}

const GiB = 2 ** 30;
const visits: Record<string, (page: Page) => Promise<object>> = {
  device,
  walk,
  measure: (page) => measure(page, { name: 'measure', seconds: 90 }),
  train: (page) => train(page, { name: 'train', seconds: 45, writing: 12 }),
  'train-softmax': (page) => train(page, { name: 'train-softmax', seconds: 30, attention: 'softmax', writing: 8 }),
  'train-large': (page) =>
    train(page, { name: 'train-large', seconds: 30, size: 'large', length: 4096, steps: 2000, writing: 5 }),
  'measure-webgl2': (page) => measure(page, { name: 'measure-webgl2', seconds: 40, backend: 'gpujs-webgl2' }),
  'train-webgl2': (page) => train(page, { name: 'train-webgl2', seconds: 20, backend: 'gpujs-webgl2', writing: 4 }),
  'measure-long': (page) =>
    measure(page, { name: 'measure-long', seconds: 60, upTo: 262_144, features: 64, limit: 3 * GiB }),
  'train-large-softmax': (page) =>
    train(page, {
      name: 'train-large-softmax',
      seconds: 15,
      attention: 'softmax',
      size: 'large',
      length: 4096,
      steps: 2000,
    }),
  'train-wasm': (page) => train(page, { name: 'train-wasm', seconds: 15, backend: 'wasm' }),
  'measure-wasm': (page) => measure(page, { name: 'measure-wasm', seconds: 30, backend: 'wasm' }),
  lost: (page) => lose(page, { name: 'lost', seconds: 17 }),
};

async function visit(name: string, flags: readonly string[]): Promise<object> {
  const browser = await launch(flags);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const console: string[] = [];
  page.on('console', (message) => /error|warning/.test(message.type()) && console.push(message.text().slice(0, 600)));
  page.on('pageerror', (error) => console.push(`page: ${error.message}`));
  try {
    await page.addInitScript(watchFrames);
    const hint = page.locator('#train .backend .hint').filter({ hasNotText: 'Finding out' });
    const says: string[] = [];
    let detected = 0;
    // A browser that has just started may not have its GPU yet.
    for (let i = 0; i < 4 && !says.at(-1)?.startsWith('WebGPU ('); i++) {
      await page.goto(address);
      const start = performance.now();
      await hint.waitFor({ timeout: 30_000 });
      says.push((await hint.textContent())!);
      detected = secondsSince(start);
    }
    // What comes later in the list is still being found out, which computes.
    await wait(2000);
    return { detected, says, ...(await visits[name](page)), console };
  } catch (error) {
    await page.screenshot({ path: join(out, `${name}-failed.png`) }).catch(() => {});
    return { error: String(error), console };
  } finally {
    await browser.close().catch(() => {});
  }
}

const flags = await findWay();
write();
const anyReal = (results.ways as { real?: boolean[] }[]).some(({ real }) => real?.some(Boolean));
if (anyReal || process.env.ANYWAY) {
  for (const name of only ? only.split(',') : Object.keys(visits)) {
    log(name, 'begins');
    results[name] = await visit(name, flags);
    log(name, JSON.stringify(results[name]).slice(0, 1500));
    write();
  }
}
server.close();
process.exit(anyReal ? 0 : 1);
