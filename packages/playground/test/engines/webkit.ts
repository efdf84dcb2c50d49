import { existsSync, readdirSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Engine } from './engine.ts';
import { eventually, freePort, type Processes } from './processes.ts';
import { openHttpSession } from './webdriver.ts';

const driver = process.env.WEBKIT_DRIVER_BIN ?? '/usr/bin/WebKitWebDriver';
const display = '/usr/bin/Xvfb';
const miniBrowser = existsSync('/usr/lib')
  ? readdirSync('/usr/lib')
      .map((folder) => `/usr/lib/${folder}/webkit2gtk-4.1/MiniBrowser`)
      .find((path) => existsSync(path))
  : undefined;

/** WebKitGTK's MiniBrowser: the engine of Safari, with neither its WebGPU nor its Metal. It needs a display, which is one in memory. */
export const webkit: Engine = {
  name: 'WebKit',
  missing:
    !miniBrowser || !existsSync(driver)
      ? `no WebKitGTK with ${driver} (Debian: webkit2gtk-driver)`
      : existsSync(display)
        ? undefined
        : `no ${display} for WebKitGTK to draw on (Debian: xvfb)`,
  takes:
    /^WebAssembly \(one thread, this browser shares no memory with workers, SIMD.*WebGPU: this browser has none.*gpu\.js on WebGL2: /,
  async start({ dark, home, processes }) {
    const screen = await startDisplay(processes);
    const port = await freePort();
    processes.start(driver, [`--port=${port}`], {
      env: {
        PATH: process.env.PATH,
        LANG: 'C.UTF-8',
        HOME: home,
        XDG_RUNTIME_DIR: home,
        DISPLAY: screen,
        GDK_BACKEND: 'x11',
        GTK_THEME: dark ? 'Adwaita:dark' : 'Adwaita',
        GSETTINGS_BACKEND: 'memory',
        NO_AT_BRIDGE: '1',
      },
    });
    const origin = `http://127.0.0.1:${port}`;
    await eventually(() => fetch(`${origin}/status`));
    return openHttpSession(origin, {
      'webkitgtk:browserOptions': {
        binary: miniBrowser,
        args: ['--automation'],
      },
    });
  },
};

/** An X server that draws in memory; its name. */
async function startDisplay(processes: Processes): Promise<string> {
  const server = processes.start(display, ['-displayfd', '3', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const number = await new Promise<string>((resolve, reject) => {
    (server.stdio[3] as Readable).once('data', (data) => resolve(String(data).trim()));
    server.once('exit', (code) => reject(new Error(`${display} ended with ${code}`)));
  });
  return `:${number}`;
}
