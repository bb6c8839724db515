import { mkdtempSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vitest/config';
import { minifyWgsl } from './scripts/minify-wgsl.js';

/** What scripts/build.js does with esbuild's loaders: `.wgsl` minified, what ends in `?text` as text, `.deflate` as base64 and `.safetensors` as bytes. */
const assets: Plugin = {
  name: 'assets',
  enforce: 'pre',
  async load(id) {
    if (id.endsWith('.wgsl')) return `export default ${JSON.stringify(minifyWgsl(await readFile(id, 'utf8')))};`;
    if (id.endsWith('?text'))
      return `export default ${JSON.stringify(await readFile(id.replace(/\?text$/, ''), 'utf8'))};`;
    if (!id.endsWith('.deflate') && !id.endsWith('.safetensors')) return undefined;
    const base64 = JSON.stringify((await readFile(id)).toString('base64'));
    return `export default ${id.endsWith('.deflate') ? base64 : `new Uint8Array(Buffer.from(${base64}, 'base64'))`};`;
  },
};

/** Node 20 has relaxed SIMD behind a flag; 22 has it on and no longer knows the flag. */
const relaxedSimd = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

// WebGPU in Node is Dawn (npm `webgpu`) on a Vulkan driver: SwiftShader, which Debian's chromium brings along with the Vulkan loader,
// or the one that VK_ICD_FILENAMES names. The loader's path is read when a process starts, hence here.
const CHROMIUM = '/usr/lib/chromium';
process.env.VK_ICD_FILENAMES ??= join(CHROMIUM, 'vk_swiftshader_icd.json');
process.env.LD_LIBRARY_PATH = [process.env.LD_LIBRARY_PATH, CHROMIUM].filter(Boolean).join(':');
process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'carafe-web-')); // Dawn asks for a writable folder

export default defineConfig({
  plugins: [assets],
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    execArgv: relaxedSimd,
    testTimeout: 60_000, // not an assertion: a hang ends as a failure
    hookTimeout: 240_000,
  },
});
