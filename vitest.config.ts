import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { viteAssets } from './scripts/assets.js';

/** Node 20 has relaxed SIMD behind a flag; 22 has it on and no longer knows the flag. */
const relaxedSimd = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

// WebGPU in Node is Dawn (npm `webgpu`) on a Vulkan driver: SwiftShader, which Debian's chromium brings along with the Vulkan loader,
// or the one that VK_ICD_FILENAMES names. The loader's path is read when a process starts, hence here.
const CHROMIUM = '/usr/lib/chromium';
process.env.VK_ICD_FILENAMES ??= join(CHROMIUM, 'vk_swiftshader_icd.json');
process.env.LD_LIBRARY_PATH = [process.env.LD_LIBRARY_PATH, CHROMIUM].filter(Boolean).join(':');
process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'carafe-web-')); // Dawn asks for a writable folder

export default defineConfig({
  plugins: [viteAssets],
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    execArgv: relaxedSimd,
    testTimeout: 60_000, // not an assertion: a hang ends as a failure
    hookTimeout: 240_000,
  },
});
