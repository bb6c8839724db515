// What files become that are no code, in one place for the bundler (esbuild) and the test runner (Vite):
//   shaders/*.wgsl            a module of one object, see ShaderFile in src/backends/webgpu/shader.ts
//   shaders?texts             the texts of those that workers use, by name
//   *?text                    the file's text
//   *.deflate                 its bytes in base64: a loader that makes bytes of it brings 300 bytes along
//   *.safetensors             its bytes
// A shader says which other files of shaders/ it needs, in lines "// requires: a, b"; those become imports.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname, join, relative } from 'node:path';
import { root } from './ensure.js';
import { minifyWgsl } from './minify-wgsl.js';

const WGSL = /\/shaders\/[^/]+\.wgsl$/;
const TEXTS = /\/shaders\?texts$/;
const TEXT = /\?text$/;
const LOADERS = { '.deflate': 'base64', '.safetensors': 'binary' };

/** For esbuild. */
export const esbuildAssets = {
  name: 'assets',
  setup({ initialOptions, onResolve, onLoad }) {
    initialOptions.loader = { ...initialOptions.loader, ...LOADERS };
    onResolve({ filter: TEXT }, ({ path, resolveDir }) => ({
      path: relative(root, join(resolveDir, path.replace(TEXT, ''))), // it is in the bundle's comments
      namespace: 'text',
    }));
    onLoad({ filter: /.*/, namespace: 'text' }, ({ path }) => ({
      contents: readFileSync(join(root, path), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, ''),
      loader: 'text',
    }));
    onResolve({ filter: TEXTS }, () => ({ path: 'shaders', namespace: 'shaders' }));
    onLoad({ filter: /.*/, namespace: 'shaders' }, () => ({ contents: textsModule(), loader: 'js' }));
    onLoad({ filter: WGSL }, ({ path }) => ({ contents: shaderModule(path), loader: 'js' }));
  },
};

/** For Vite. */
export const viteAssets = {
  name: 'assets',
  enforce: 'pre',
  resolveId: (id) => (TEXTS.test(id) ? '\0/shaders?texts' : undefined),
  load(id) {
    if (TEXTS.test(id)) return textsModule();
    if (WGSL.test(id)) return shaderModule(id);
    if (TEXT.test(id)) return `export default ${JSON.stringify(readFileSync(id.replace(TEXT, ''), 'utf8'))};`;
    const loader = LOADERS[extname(id)];
    if (!loader) return undefined;
    const base64 = JSON.stringify(readFileSync(id).toString('base64'));
    return `export default ${loader === 'base64' ? base64 : `new Uint8Array(Buffer.from(${base64}, 'base64'))`};`;
  },
};

/** Of whole networks, of gradients and of frames: their texts are where their ops are, in chunks of their own. */
const APART = /^(arithmetic|average-pool|concat|grid-sample|pad-pixels|slice|.*-gradient)$/;

/** A file of shaders/ as a JavaScript module. */
function shaderModule(path) {
  const wgsl = readFileSync(path, 'utf8');
  const name = basename(path, '.wgsl');
  const { requires, structs, constants } = describeShader(wgsl);
  const names = requires.map((_, i) => `file${i}`);
  const imports = requires.map((file, i) => `import ${names[i]} from './${file}.wgsl';\n`).join('');
  const described = { name, structs, constants, ...(APART.test(name) && { text: minifyWgsl(wgsl) }) };
  return `${imports}export default { requires: [${names}], ...${JSON.stringify(described)} };\n`;
}

/** The texts of all others. */
function textsModule() {
  const folder = join(root, 'shaders');
  const texts = readdirSync(folder)
    .map((file) => basename(file, '.wgsl'))
    .filter((name) => !APART.test(name))
    .map((name) => [name, minifyWgsl(readFileSync(join(folder, `${name}.wgsl`), 'utf8'))]);
  return `export default ${JSON.stringify(Object.fromEntries(texts))};\n`;
}

/** What src/ must know of a shader: the files it requires, the members of its structs in order, its numeric constants. */
export function describeShader(wgsl) {
  const requires = [...wgsl.matchAll(/^\/\/ requires: (.*)$/gm)].flatMap(([, names]) => names.trim().split(/,\s*/));
  const code = wgsl.replace(/\/\/.*$/gm, '');
  const structs = Object.fromEntries(
    [...code.matchAll(/\bstruct (\w+) {([^}]*)}/g)].map(([, name, body]) => [
      name,
      [...body.matchAll(/(\w+): ([^,]+?)\s*(?:,|$)/g)].map(([, member, type]) => [member, type]),
    ]),
  );
  const constants = Object.fromEntries(
    [...code.matchAll(/^(?:const|override) (\w+)(?:: u32)? = (\d+)u?;/gm)].map(([, name, value]) => [
      name,
      Number(value),
    ]),
  );
  return { requires, structs, constants };
}
