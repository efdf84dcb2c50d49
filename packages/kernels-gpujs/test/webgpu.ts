import { existsSync } from 'node:fs';

const swiftshader = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Gives this process `navigator.gpu`, from the Dawn build on npm. Returns why there is none, or undefined.
 * Without a GPU it takes Chromium's software adapter (set VK_ICD_FILENAMES to use another).
 */
export async function installWebGPU(): Promise<string | undefined> {
  if (process.env.VK_ICD_FILENAMES === undefined) {
    if (!existsSync(swiftshader)) return `no VK_ICD_FILENAMES, and no SwiftShader at ${swiftshader}`;
    process.env.VK_ICD_FILENAMES = swiftshader;
  }
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
    return (await navigator.gpu.requestAdapter()) ? undefined : 'no adapter';
  } catch (error) {
    return String(error);
  }
}
