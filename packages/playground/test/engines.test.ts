import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type PreviewServer, preview } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { firefox, firefoxOnWebgpu } from './engines/firefox.ts';
import { button, field, fileInput, named } from './engines/parts.ts';
import { Processes, waiting } from './engines/processes.ts';
import { type Visitor, visitorOf } from './engines/visit.ts';
import { webkit } from './engines/webkit.ts';

// The same way through the page, in the engines of Firefox and Safari. What each part should show in detail is tested in Chromium.

const root = join(import.meta.dirname, '..');
const screenshots = join(import.meta.dirname, '__screenshots__');
const engines = [firefox, firefoxOnWebgpu, webkit];
for (const { name, missing } of engines) {
  if (missing) console.warn(`The page is not tested in ${name}: ${missing}.`);
}

const eventually = <T>(read: () => T) => expect.poll(read, waiting);

let outDir: string;
let server: PreviewServer;
let home: string;
let processes: Processes;
let visitor: Visitor;

/** The page that is looked at: on a telephone's screen, the one in the frame. */
const textOf = (part: string) =>
  visitor.run((xpath) => {
    const page = document.querySelector('iframe')?.contentDocument ?? document;
    return page.evaluate(`string(${xpath})`, page, null, XPathResult.STRING_TYPE).stringValue;
  }, part);

const countOf = (part: string) =>
  visitor.run(
    (xpath) => document.evaluate(`count(${xpath})`, document, null, XPathResult.NUMBER_TYPE).numberValue,
    part,
  );

const shoot = async (name: string) => writeFileSync(join(screenshots, `${name}.png`), await visitor.screenshot());

/** Presses a button that saves a file; its path, once it is complete. */
async function save(part: string, name: string): Promise<string> {
  const path = join(home, name);
  await visitor.click(part);
  // Firefox makes the file, empty, before it writes another beside it that takes its place.
  await eventually(() => existsSync(path) && !existsSync(`${path}.part`) && statSync(path).size > 0).toBe(true);
  return path;
}

/** Runs in the page before its own scripts. */
function keepErrors() {
  const errors: string[] = [];
  const { error } = console;
  console.error = (...what) => {
    errors.push(what.join(' '));
    error(...what);
  };
  addEventListener('error', ({ message }) => errors.push(message));
  addEventListener('unhandledrejection', ({ reason }) => errors.push(String(reason)));
  Object.assign(window, { errors: errors });
}

const words = "//*[@class='step-words']";
const hintOf = (section: string) =>
  textOf(`//section[@id='${section}']//*[contains(@class,'backend')]//*[@class='hint']`);
const factOf = (name: string) => textOf(`//*[@class='facts']/div[starts-with(dt, '${name}')]/dd`);

describe.runIf(engines.some(({ missing }) => missing === undefined))('the page in other engines', () => {
  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true });
    outDir = mkdtempSync(join(tmpdir(), 'linattn-engines-'));
    await build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true } });
    // Not every driver tells what the console is told.
    const index = join(outDir, 'index.html');
    writeFileSync(index, readFileSync(index, 'utf8').replace('<head>', `<head><script>(${keepErrors})()</script>`));
    // No window of these browsers is as narrow as a telephone, but a frame is.
    writeFileSync(
      join(outDir, 'telephone.html'),
      '<!doctype html><title>A telephone</title><iframe title="its screen" src="./" style="width: 375px; height: 800px; border: 0"></iframe>',
    );
    server = await preview({ root, logLevel: 'error', build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
  }, 120_000);

  afterEach(async () => {
    await processes.end();
    rmSync(home, { recursive: true, force: true });
  });

  afterAll(async () => {
    await server?.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  describe.each(engines)('$name', ({ name, missing, start, takes, chosen }) => {
    const slug = name.toLowerCase().replaceAll(' ', '-');
    const visit = async (path: string, dark: boolean) => {
      home = mkdtempSync(join(tmpdir(), 'linattn-visit-'));
      processes = new Processes();
      const send = await start({ dark, home, processes });
      visitor = visitorOf(send);
      await send('SetWindowRect', { width: 1280, height: 900 });
      await send('Navigate', { url: server.resolvedUrls!.local[0] + path });
    };
    const errors = () =>
      visitor.run(() => {
        const page = document.querySelector('iframe')?.contentWindow ?? window;
        return [...(page as unknown as { errors: string[] }).errors];
      });

    test.skipIf(missing)('all three parts, by mouse and keyboard', chosen ? { timeout: 300_000 } : {}, async () => {
      await visit('', false);

      // Forward and back through tokens of one's own.
      await eventually(() => textOf(words)).toContain('Forward: token 2');
      await visitor.typeOver(named('Token 2, given'), 'lost');
      await eventually(() => textOf(words)).toContain('“lost”');
      await visitor.click(button('walk', 'Next'));
      await eventually(() => textOf(words)).toContain('Forward: token 3');
      await visitor.press('Enter');
      await eventually(() => textOf(words)).toContain('Forward: token 4');
      await visitor.press('End');
      await eventually(() => textOf(words)).toContain('Backward: token 1');
      for (let i = 0; i < 3; i++) await visitor.press('ArrowLeft');
      await eventually(() => textOf(words)).toContain('Backward: token 4');
      expect(await textOf("//*[@data-testid='walk-check']")).toMatch(/at most (0|\de−1[4-9]),/);

      for (const section of ['measure', 'train']) {
        await eventually(() => hintOf(section)).toMatch(takes);
        if (chosen) await visitor.choose(field(section, 'Computed by'), chosen);
      }

      // Measuring, ended before it is done; a file of what came out.
      await visitor.choose(field('measure', 'Features D'), '16');
      await visitor.click(button('measure', 'Measure'));
      const measured = "//*[@class='slopes']//tr[starts-with(normalize-space(th), 'Linear attention')]/td[3]";
      await eventually(async () => Number((await textOf(measured)).replace(/\D/g, ''))).toBeGreaterThanOrEqual(256);
      await visitor.click(button('measure', 'Cancel'));
      await eventually(() => countOf("//section[@id='measure']//*[@class='chart']//*[local-name()='svg']")).toBe(2);
      const csv = await readFile(await save(button('measure', 'Save as CSV'), 'linattn-tokens.csv'), 'utf8');
      // Where it is emulated, a size may take too long.
      const kept = chosen ? csv.replace(/\n\w+,\w+,\d+,16,4,time,,,(?=\n)/g, '') : csv;
      expect(kept).toMatch(/^method,pass,.*\n(\w+,\w+,\d+,16,4,measured,[\d.e-]+,\d+,\d+\n)+$/);

      // A model that learns, writes, is saved, and goes on from its file.
      await visitor.choose(field('train', 'Model'), 'tiny');
      await visitor.choose(field('train', 'Length'), '64');
      await visitor.typeOver(field('train', 'Steps'), '40');
      await visitor.click(button('train', 'Train'));
      if (chosen) {
        // Emulated, a step takes ten seconds: the first shows that its kernels compile and compute.
        await eventually(async () => Number.parseInt(await factOf('Step'), 10)).toBeGreaterThan(0);
        const loss = Number(await factOf('Loss, nats'));
        expect(loss).toBeGreaterThan(5);
        expect(loss).toBeLessThan(6);
        await shoot(slug);
        await visitor.click(button('train', 'End this run'));
        await eventually(() => countOf("//*[@class='run']")).toBe(0);
        expect(await errors()).toEqual([]);
        return;
      }
      await eventually(() => factOf('Step')).toBe('40 of 40');
      await eventually(() => countOf(button('train', 'Train further'))).toBe(1);
      expect(Number(await factOf('Loss on unseen'))).toBeLessThan(3.2);
      await visitor.click(button('train', 'Write'));
      const text = "//*[@aria-label='The text']";
      await eventually(async () => (await textOf(text)).length).toBeGreaterThan(200);
      await visitor.click(button('train', 'Stop writing'));
      await eventually(() => countOf(button('train', 'Write'))).toBe(1);
      expect(await textOf(text)).toMatch(/^Once upon a time/);
      const model = await save(button('train', 'Save the model'), 'linattn-step-40.safetensors');
      await shoot(slug);
      await visitor.click(button('train', 'End this run'));
      await eventually(() => countOf("//*[@class='run']")).toBe(0);
      await visitor.give(fileInput('Open a saved model'), model);
      await eventually(() => factOf('Step')).toBe('40 of 40');
      await visitor.click(button('train', 'Train further'));
      await eventually(async () => Number.parseInt(await factOf('Step'), 10)).toBeGreaterThan(41);
      await visitor.click(button('train', 'Pause'));
      await eventually(() => countOf(button('train', 'Train further'))).toBe(1);
      expect(await errors()).toEqual([]);
    });

    test.skipIf(missing)('on the screen of a telephone, in the dark', async () => {
      await visit('telephone.html', true);
      await eventually(() => textOf(words)).toContain('Forward: token 2');
      await eventually(() => hintOf('train')).toMatch(/^WebAssembly/);
      const [overflow, background] = await visitor.run(() => {
        const screen = document.querySelector('iframe')!.contentWindow!;
        screen.document.querySelector('details')!.open = true;
        const { documentElement, body } = screen.document;
        return [
          documentElement.scrollWidth - screen.innerWidth,
          screen.getComputedStyle(body).backgroundColor,
        ] as const;
      });
      expect(overflow).toBeLessThanOrEqual(0);
      expect(background).toBe('rgb(21, 23, 26)');
      await shoot(`${slug}-telephone`);
      expect(await errors()).toEqual([]);
    });
  });
});
