import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { eventually, freePort } from './processes.ts';
import { openMarionette } from './webdriver.ts';

const binary = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';

export const firefox: Engine = {
  name: 'Firefox',
  missing: existsSync(binary) ? undefined : `no ${binary} (set FIREFOX_BIN)`,
  async start({ dark, home, processes }) {
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
    };
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`,
    );
    writeFileSync(join(home, 'user.js'), lines.join(''));
    processes.start(binary, ['--headless', '--marionette', '--no-remote', '--profile', home], {
      env: { ...process.env, HOME: home },
    });
    return eventually(() => openMarionette(port));
  },
};
