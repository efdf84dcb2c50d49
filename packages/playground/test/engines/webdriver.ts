import { connect } from 'node:net';

/** Commands of W3C WebDriver that a visit needs: where an HTTP server has them. */
const commands = {
  Navigate: () => ['POST', '/url'],
  ExecuteScript: () => ['POST', '/execute/sync'],
  FindElement: () => ['POST', '/element'],
  ElementClick: (element) => ['POST', `/element/${element}/click`],
  ElementSendKeys: (element) => ['POST', `/element/${element}/value`],
  PerformActions: () => ['POST', '/actions'],
  SetWindowRect: () => ['POST', '/window/rect'],
  TakeScreenshot: () => ['GET', '/screenshot'],
} as const satisfies Record<string, (element: string) => readonly ['GET' | 'POST', string]>;

export type Command = keyof typeof commands;

/** Sends a command of an open session. `id` in parameters names an element. */
export type Send = <T>(
  command: Command,
  parameters?: { readonly id?: string; readonly [name: string]: unknown },
) => Promise<T>;

/** Opens a session of a WebDriver server. @throws Error with what the server answers, where it refuses; so does every command. */
export async function openHttpSession(origin: string, capabilities: object): Promise<Send> {
  const ask = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(origin + path, { method, body: body && JSON.stringify(body) });
    const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
    if (!response.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  };
  const { sessionId } = await ask<{ sessionId: string }>('POST', '/session', {
    capabilities: { alwaysMatch: capabilities },
  });
  return (command, { id = '', ...parameters } = {}) => {
    const [method, path] = commands[command](id);
    return ask(method, `/session/${sessionId}${path}`, method === 'GET' ? undefined : parameters);
  };
}

/**
 * Opens a session with Firefox itself, by Marionette: the same commands as messages `length:[0, id, name, parameters]`, answered by
 * `length:[1, id, error, result]`. What geckodriver does, which Debian does not have.
 */
export async function openMarionette(port: number): Promise<Send> {
  const socket = connect(port, '127.0.0.1');
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let received = Buffer.alloc(0);
  let last = 0;
  const hear = ([, id, error, result]: [
    number,
    number,
    { error: string; message: string } | null,
    { value: unknown },
  ]) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error) asked?.reject(new Error(`${error.error}: ${error.message}`));
    else asked?.resolve((result.value ?? result) as never);
  };
  const greeting = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => {
      for (const { reject } of waiting.values()) reject(new Error('Firefox has ended'));
    });
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      for (;;) {
        const colon = received.indexOf(':');
        const end = colon + 1 + Number(received.subarray(0, Math.max(0, colon)));
        if (colon < 0 || received.length < end) return;
        const message = JSON.parse(received.subarray(colon + 1, end).toString());
        received = received.subarray(end);
        if (Array.isArray(message)) hear(message as Parameters<typeof hear>[0]);
        else resolve();
      }
    });
  });
  await greeting;
  const ask = <T>(name: string, parameters: object): Promise<T> =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      const message = JSON.stringify([0, last, name, parameters]);
      socket.write(`${Buffer.byteLength(message)}:${message}`);
    });
  await ask('WebDriver:NewSession', {});
  return (command, parameters = {}) => ask(`WebDriver:${command}`, parameters);
}
