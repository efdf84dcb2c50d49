import type { Send } from './webdriver.ts';

/** One who uses the page in some browser. Parts of the page are named by XPath, which every driver understands. */
export interface Visitor {
  /** Computes in the page. */
  run<T>(inPage: (...args: string[]) => T, ...args: string[]): Promise<T>;
  click(part: string): Promise<void>;
  /** Chooses from a list. */
  choose(part: string, value: string): Promise<void>;
  /** Keys one after another, by the names that events have for them; each is held until the last is down where they are joined by `+`. */
  press(...keys: string[]): Promise<void>;
  /** Types over what stands in a field. */
  typeOver(part: string, text: string): Promise<void>;
  /** Chooses a file. */
  give(part: string, path: string): Promise<void>;
  /** What is seen, as PNG. */
  screenshot(): Promise<Buffer>;
}

const elementKey = 'element-6066-11e4-a52e-4f735466cecf';

/** WebDriver's names of keys that are no characters. */
const keys: Readonly<Record<string, string>> = {
  Tab: '\uE004',
  Enter: '\uE007',
  Control: '\uE009',
  End: '\uE010',
  ArrowLeft: '\uE012',
};

export function visitorOf(send: Send): Visitor {
  const run: Visitor['run'] = (inPage, ...args) =>
    send('ExecuteScript', { script: `return (${inPage})(...arguments)`, args });
  const find = async (part: string) => {
    const found = await send<Record<string, string>>('FindElement', { using: 'xpath', value: part });
    return found[elementKey];
  };
  const click = async (part: string) => {
    const id = await find(part);
    // Where the page scrolls smoothly, not every driver waits until it has.
    const script = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
    await send('ExecuteScript', { script, args: [{ [elementKey]: id }] });
    await send('ElementClick', { id });
  };
  const press = async (...presses: string[]) => {
    const actions = presses.flatMap((press) => {
      const values = press === '+' ? [press] : press.split('+').map((key) => keys[key] ?? key);
      const all = (type: string) => values.map((value) => ({ type, value }));
      return [...all('keyDown'), ...all('keyUp').reverse()];
    });
    await send('PerformActions', { actions: [{ type: 'key', id: 'keyboard', actions }] });
  };
  return {
    run,
    click,
    press,
    async choose(part, value) {
      // Its list opens outside of the page, where not every driver gets.
      const script =
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change', { bubbles: true }))";
      await send('ExecuteScript', { script, args: [{ [elementKey]: await find(part) }, value] });
    },
    async typeOver(part, text) {
      await click(part);
      await press('Control+a', ...text);
    },
    async give(part, path) {
      await send('ElementSendKeys', { id: await find(part), text: path });
    },
    screenshot: async () => Buffer.from(await send<string>('TakeScreenshot', { full: true, hash: false }), 'base64'),
  };
}
