// node build.js TOOL, in an app's folder: the tools that have no command line of their own here, with their default
// settings. Warnings are errors.
import { resolve } from 'node:path';

const [tool] = process.argv.slice(2);
const entry = resolve('index.js');
const output = resolve('dist');

async function webpackLike(compiler) {
  const options = { mode: 'production', entry, output: { path: output } };
  const stats = await new Promise((resolve, reject) =>
    compiler(options, (error, done) => (error ? reject(error) : resolve(done))),
  );
  const { errors, warnings } = stats.toJson({ errors: true, warnings: true });
  return [...errors, ...warnings].map(({ message }) => message);
}

const tools = {
  webpack: async () => webpackLike((await import('webpack')).default),
  rspack: async () => webpackLike((await import('@rspack/core')).rspack),
  async rollup() {
    const { rollup } = await import('rollup');
    const { nodeResolve } = await import('@rollup/plugin-node-resolve');
    const complaints = [];
    const bundle = await rollup({
      input: entry,
      plugins: [nodeResolve({ browser: true })],
      onLog: (_level, { message }) => complaints.push(message),
    });
    await bundle.write({ dir: output, format: 'es' });
    await bundle.close();
    return complaints;
  },
};

const complaints = await tools[tool]();
if (complaints.length > 0) {
  console.error(complaints.join('\n'));
  process.exitCode = 1;
}
