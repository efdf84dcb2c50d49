import { existsSync } from 'node:fs';

/** How tests start Chromium. SwiftShader: a software GPU that every machine has. It proves correctness, never speed. */
export const launchOptions = {
  executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
  ],
};

export const hasChromium = existsSync(launchOptions.executablePath);
