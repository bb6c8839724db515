// The rules that keep the folders a picture of the dataflow: who may import whom, which platform is touched where, and
// that an op has one name everywhere.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Import {
  readonly file: string; // from the root, as all paths here
  readonly specifier: string;
  /** The file it leads to, if it is one of ours. */
  readonly target?: string;
}

function filesUnder(folder: string, extension: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extension.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** The text without comments. Strings that look like comments do not occur in what is searched for here. */
function code(file: string): string {
  return readFileSync(join(root, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:])\/\/.*$/gm, '$1');
}

function importsOf(file: string): Import[] {
  const found = code(file).matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g);
  return [...found].map(([, specifier]) => {
    if (!specifier.startsWith('.')) return { file, specifier };
    const path = resolve(root, dirname(file), specifier.replace(/\?\w+$/, ''));
    const target =
      [path.replace(/\.js$/, '.ts'), `${path}.ts`, path].find((candidate) => existsSync(candidate)) ?? path;
    return { file, specifier, target: relative(root, target) };
  });
}

const sources = filesUnder('src', /(?<!\.d)\.ts$/);
const imports = sources.flatMap(importsOf);
const show = ({ file, specifier }: Import): string => `${file} imports ${specifier}`;

/** The folder under src/ that a file is in; '' for src/index.ts and what lies outside src/. */
function layer(file: string): string {
  return file.match(/^src\/([^/]+)\//)?.[1] ?? '';
}

describe('imports', () => {
  it('are found', () => {
    expect(sources.length).toBeGreaterThan(20);
    expect(imports.filter(({ target }) => target !== undefined).length).toBeGreaterThan(30);
    expect(new Set(sources.map(layer))).toEqual(
      new Set(['', 'core', 'backends', 'models', 'engine', 'worker', 'api', 'onnx', 'edge', 'cli']),
    );
  });

  it('of relative files lead to files', () => {
    const generated = /^(dist|models)\//; // built, or trained
    expect(
      imports
        .filter(({ target }) => target !== undefined && !generated.test(target) && !existsSync(join(root, target)))
        .map(show),
    ).toEqual([]);
  });

  // Each layer and the layers it may import, besides itself.
  const below: Record<string, string[]> = {
    core: [],
    models: ['core'],
    backends: ['core'],
    engine: ['core', 'backends', 'models'],
    worker: ['core', 'backends', 'models', 'engine'],
    api: ['core', 'backends', 'models', 'engine', 'worker'],
    cli: ['', 'onnx'], // the public API only
    edge: ['', 'core'],
    '': ['core', 'backends', 'models', 'engine', 'worker', 'api'],
  };
  for (const [name, allowed] of Object.entries(below)) {
    it(`of ${name || 'index.ts'} stay ${allowed.length ? `within ${allowed.map((one) => one || 'index.ts').join(', ')}` : 'inside'}`, () => {
      const wrong = imports.filter(
        ({ file, target }) =>
          layer(file) === name &&
          target?.startsWith('src/') &&
          layer(target) !== name &&
          !allowed.includes(layer(target)),
      );
      expect(wrong.map(show)).toEqual([]);
    });
  }

  it('never lead from one backend to another', () => {
    const backend = (file: string): string | undefined => file.match(/^src\/backends\/([^/]+)\//)?.[1];
    const wrong = imports.filter(
      ({ file, target }) => target && backend(file) && backend(target) && backend(file) !== backend(target),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('make no cycle', () => {
    const edges = new Map(
      sources.map((file) => [
        file,
        imports.filter((one) => one.file === file && one.target !== undefined).map((one) => one.target!),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file) || path.includes(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('of comlink are in worker/ only', () => {
    const comlink = imports.filter(({ specifier }) => /^comlink(\/|$)/.test(specifier));
    expect(comlink.length).toBeGreaterThan(0);
    expect(comlink.filter(({ file }) => layer(file) !== 'worker').map(show)).toEqual([]);
  });

  it('of node: modules are in cli/ only', () => {
    expect(
      imports.filter(({ file, specifier }) => specifier.startsWith('node:') && layer(file) !== 'cli').map(show),
    ).toEqual([]);
  });

  it('of packages are of those that are bundled, or of declared dependencies', () => {
    const { dependencies = {}, peerDependencies = {} } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string> | undefined>;
    const declared = [
      'comlink',
      'fflate',
      'pickleparser',
      'tinyglobby',
      ...Object.keys({ ...dependencies, ...peerDependencies }),
    ];
    const wrong = imports.filter(
      ({ specifier }) =>
        !/^(\.|node:)/.test(specifier) &&
        !declared.some((name) => specifier === name || specifier.startsWith(`${name}/`)),
    );
    expect(wrong.map(show)).toEqual([]);
  });
});

describe('platforms', () => {
  const dom = /\b(document|HTML[A-Z]\w*Element|OffscreenCanvas|createImageBitmap)\b/;

  it('are found', () => {
    expect(code('src/api/image.ts')).toMatch(dom);
  });

  it('DOM globals are in api/image.ts, api/image-out.ts and api/to-canvas.ts only', () => {
    const allowed = ['src/api/image.ts', 'src/api/image-out.ts', 'src/api/to-canvas.ts'];
    expect(sources.filter((file) => !allowed.includes(file) && dom.test(code(file)))).toEqual([]);
  });

  it('Node built-ins are reached for where there is no way around, and only if there is a process', () => {
    const allowed = [
      'src/api/load.ts',
      'src/api/options.ts',
      'src/worker/spawn.ts',
      'src/worker/host.ts',
      'src/cli/main.ts',
    ]; // file: URLs and cores; worker threads
    expect(
      sources.filter((file) => !allowed.includes(file) && /getBuiltinModule|\brequire\(/.test(code(file))),
    ).toEqual([]);
    expect(
      sources.filter(
        (file) =>
          layer(file) !== 'cli' && /getBuiltinModule/.test(code(file).replaceAll('process?.getBuiltinModule?.(', '')),
      ),
    ).toEqual([]);
  });
});

describe('an op has one name', () => {
  const names = (folder: string, extension: RegExp): string[] =>
    filesUnder(folder, extension)
      .filter((file) => dirname(file) === folder)
      .map((file) => file.slice(folder.length + 1).replace(extension, ''));
  const reference = names('src/backends/reference', /\.ts$/).filter(
    (name) => !['reference-backend', 'reference-gradients'].includes(name),
  );
  const fused = ['carafe-pack']; // runs on other ops' kernels: it has a file in each backend, and need not have one beside the kernels
  const copied = ['slice', 'concat']; // in assembly/ by conv2d's copy
  const shared = [
    'prelude',
    'stored-f32',
    'stored-f16',
    'gemm',
    'gemm-vec4',
    'gemm-scalar',
    'normalizer',
    'resize-taps',
    'resize-vec4',
    'resize-scalar',
    ...['vec4', 'planes', 'scalar', 'even', 'odd'].map((part) => `reassemble-${part}`),
  ]; // texts that several shaders begin with
  const frames = ['pad-pixels']; // between textures and programs: only where there are textures
  const notOps = ['pictures', 'index', 'networks', 'gradients', 'simd', 'gemm', 'winograd', 'narrow-conv']; // the exports, and what ops share

  it('in the reference', () => {
    expect(reference).toEqual(expect.arrayContaining(['conv2d', 'normalize-kernels', 'reassemble', 'resize']));
  });

  it('in assembly/', () => {
    expect(names('assembly', /\.ts$/).filter((name) => ![...notOps, ...fused].includes(name))).toEqual(
      reference.filter((name) => ![...fused, ...copied].includes(name)),
    );
  });

  it('in shaders/', () => {
    expect(names('shaders', /\.wgsl$/).filter((name) => ![...fused, ...shared, ...frames].includes(name))).toEqual(
      reference.filter((name) => !fused.includes(name)),
    );
  });

  it('in the fast backends', () => {
    for (const backend of ['wasm', 'webgpu'])
      expect(names(`src/backends/${backend}`, /\.ts$/)).toEqual(expect.arrayContaining(reference));
  });
});

describe('the repository', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);

  it('tracks no generated file', () => {
    expect(tracked).toContain('package.json');
    expect(
      tracked.filter((file) =>
        /^(dist|coverage|\.cache)\/|(^|\/)(node_modules|__pycache__)\/|\.(wasm|tgz|map|pyc)$/.test(file),
      ),
    ).toEqual([]);
  });

  it('has no work left to do in its comments', () => {
    const files = [...sources, ...filesUnder('assembly', /\.ts$/), ...filesUnder('shaders', /\.wgsl$/)];
    expect(files.length).toBeGreaterThan(30);
    expect(files.filter((file) => /\b(TODO|FIXME|XXX|HACK)\b/.test(readFileSync(join(root, file), 'utf8')))).toEqual(
      [],
    );
  });
});

it('lines are 120 columns at most where biome, which leaves comments and AssemblyScript alone, does not see to it', () => {
  const files = ['assembly', 'src/core', 'src/backends/reference', 'src/backends/wasm'].flatMap((folder) =>
    filesUnder(folder, /\.ts$/),
  );
  const long = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, i) => (line.length > 120 ? [`${file}:${i + 1}`] : [])),
  );
  expect(files.length).toBeGreaterThan(30);
  expect(long).toEqual([]);
});
