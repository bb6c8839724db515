import { readFile } from 'node:fs/promises';
import { defineConfig, type Plugin } from 'vitest/config';

/** What scripts/build.js does with esbuild's loaders: `.wgsl` as text, `.wasm` and `.safetensors` as bytes. */
const assets: Plugin = {
  name: 'assets',
  enforce: 'pre',
  async load(id) {
    if (id.endsWith('.wgsl')) return `export default ${JSON.stringify(await readFile(id, 'utf8'))};`;
    if (!id.endsWith('.wasm') && !id.endsWith('.safetensors')) return undefined;
    const base64 = (await readFile(id)).toString('base64');
    return `export default new Uint8Array(Buffer.from(${JSON.stringify(base64)}, 'base64'));`;
  },
};

/** Node 20 has relaxed SIMD behind a flag; 22 has it on and no longer knows the flag. */
const relaxedSimd = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

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
