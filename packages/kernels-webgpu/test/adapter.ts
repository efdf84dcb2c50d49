import { existsSync } from 'node:fs';
import { DeviceError } from '@linattn/math';
import { type WebgpuBackend, type WebgpuOptions, webgpuBackend } from '../src/index.ts';

/** Chromium's software Vulkan, where the machine has no GPU of its own. */
const software = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (!process.env.VK_ICD_FILENAMES && existsSync(software)) process.env.VK_ICD_FILENAMES = software;

/** A backend, or the reason why this machine has none. */
export async function open(options: WebgpuOptions = {}): Promise<WebgpuBackend | string> {
  try {
    return await webgpuBackend(options);
  } catch (error) {
    if (error instanceof DeviceError) return error.message;
    throw error;
  }
}
