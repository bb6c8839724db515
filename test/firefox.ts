// Debian's firefox-esr, headless; `FIREFOX` names another. WebGPU is behind its preferences there, and runs on
// lavapipe.
import puppeteer, { type Browser } from 'puppeteer-core';

/** The software GPU of Debian's mesa-vulkan-drivers, which Deno and Firefox run on. */
export const LAVAPIPE = '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json';

export const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

export function launchFirefox({ webgpu = false }: { webgpu?: boolean } = {}): Promise<Browser> {
  const { LD_LIBRARY_PATH: _, ...env } = process.env; // Chromium's libraries are not Firefox's
  return puppeteer.launch({
    browser: 'firefox',
    protocol: 'webDriverBiDi',
    executablePath: FIREFOX,
    headless: true,
    protocolTimeout: 240_000,
    ...(webgpu && {
      extraPrefsFirefox: {
        'dom.webgpu.enabled': true,
        'dom.webgpu.workers.enabled': true,
        'gfx.webgpu.ignore-blocklist': true,
      },
    }),
    env: { ...env, VK_ICD_FILENAMES: LAVAPIPE },
  });
}
