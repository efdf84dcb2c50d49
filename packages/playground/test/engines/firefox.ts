import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine, StartOptions } from './engine.ts';
import { eventually, freePort } from './processes.ts';
import { openMarionette } from './webdriver.ts';

const binary = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';
/** Vulkan computed on the processor; comes with Chromium. */
const software = '/usr/lib/chromium/vk_swiftshader_icd.json';

async function start({ dark, home, processes }: StartOptions, more: object, env: NodeJS.ProcessEnv) {
  const port = await freePort();
  const preferences = {
    'marionette.port': port,
    'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1,
    'browser.download.dir': home,
    'browser.download.folderList': 2,
    'browser.download.useDownloadDir': true,
    'browser.shell.checkDefaultBrowser': false,
    // Asks nobody for settings.
    'services.settings.server': 'data:,#remote-settings-dummy/v1',
    'datareporting.policy.dataSubmissionEnabled': false,
    ...more,
  };
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  writeFileSync(join(home, 'user.js'), lines.join(''));
  processes.start(binary, ['--headless', '--marionette', '--no-remote', '--profile', home], {
    env: { ...process.env, HOME: home, ...env },
  });
  return eventually(() => openMarionette(port));
}

const missing = existsSync(binary) ? undefined : `no ${binary} (set FIREFOX_BIN)`;

export const firefox: Engine = {
  name: 'Firefox',
  missing,
  start: (options) => start(options, {}, {}),
  takes: /^WebAssembly \(\d+ threads?, SIMD.*WebGPU: this browser has none.*gpu\.js on WebGL2: /,
};

/** Firefox's own WebGPU and WGSL compiler, on a software adapter. */
export const firefoxOnWebgpu: Engine = {
  name: 'Firefox on WebGPU',
  missing:
    missing ??
    (!process.env.FIREFOX_WEBGPU
      ? 'it is slow there, and only asked for by FIREFOX_WEBGPU=1'
      : existsSync(software)
        ? undefined
        : `no ${software}`),
  start: (options) =>
    start(
      options,
      {
        'dom.webgpu.enabled': true,
        'gfx.webgpu.ignore-blocklist': true,
        'dom.webgpu.workers.enabled': true,
        // Its GPU process has no display, and may not read the driver.
        'layers.gpu-process.force-enabled': true,
        'security.sandbox.gpu.level': 0,
      },
      { VK_DRIVER_FILES: software, XDG_RUNTIME_DIR: options.home },
    ),
  takes: /^WebAssembly .*WebGPU: a GPU, emulated on the processor/,
  chosen: 'webgpu',
};
