// Shaders as they go into the package: what the minifier and the asset step make of them, and that Tint, the compiler
// of Chrome, takes every pipeline of the conformance cases, in f32 and in f16, with the kernels of real GPUs and those
// of software adapters. Nothing runs here.
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeShader } from '../scripts/assets.js';
import { minifyWgsl } from '../scripts/minify-wgsl.js';
import { BufferPool } from '../src/backends/webgpu/buffer-pool.js';
import { CommandList } from '../src/backends/webgpu/command-list.js';
import { SharedDevice } from '../src/backends/webgpu/device.js';
import { Shader } from '../src/backends/webgpu/shader.js';
import texts from '../src/backends/webgpu/shader-texts.js';
import { createOps } from '../src/backends/webgpu/webgpu-backend.js';
import { GpuConv } from '../src/backends/webgpu/weights.js';
import type { Ops } from '../src/backends/backend.js';
import { nullGpuDevice } from './backends.js';
import { cases } from './conformance/cases.js';
import { programOf } from './conformance/programs.js';

const folder = new URL('../shaders/', import.meta.url);
const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }));
const words = (wgsl: string): string[] => wgsl.match(/\b[A-Za-z]\w*/g) ?? [];
const code = (wgsl: string): string => wgsl.replace(/\/\/.*$/gm, '');

describe('minified', () => {
  test.each([
    ['// a comment\nlet q_a = 1.5; // another', 'let q_a=1.5;'],
    ['q_f(q_a - -q_b, -1, q_c - 1)', 'q_f(q_a - -q_b,-1,q_c-1)'],
    ['0.5 * 10.25 + 1.0', '.5*10.25+1.0'],
    ['struct Q_s {\n  q_a: u32,\n  q_b: vec4f,\n}', 'struct Q_s{q_a:u32,q_b:vec4f}'],
    ['if (q_a<q_b) { return vec4<bool>(q_a > q_b); }', 'if(q_a<q_b){return vec4<bool>(q_a>q_b);}'],
  ])('%j is %j', (wgsl, expected) => {
    expect(minifyWgsl(wgsl)).toBe(expected);
  });

  test('every word of every file has one short name, no two have the same, and what is not ours keeps its own', () => {
    const names = new Map<string, string>();
    for (const { text } of files) {
      const [before, after] = [words(code(text)), words(minifyWgsl(text))];
      expect(after.length).toBe(before.length);
      before.forEach((word, i) => {
        expect(names.get(word) ?? after[i]).toBe(after[i]);
        names.set(word, after[i]);
      });
    }
    expect(new Set(names.values()).size).toBe(names.size);
    for (const kept of ['vec4f', 'select', 'workgroupBarrier', 'bitcast', 'xyzw', 'enable', 'f16'])
      expect(names.get(kept) ?? kept).toBe(kept);
    expect(names.get('plusProducts')?.length).toBeLessThanOrEqual(2);
  });

  test('entry points and pipeline constants, which src/ names, keep their names', () => {
    for (const { name, text } of files) {
      const outside = [...text.matchAll(/\boverride (\w+)|@workgroup_size\(\w+\)\s*fn (\w+)/g)].map(
        ([, a, b]) => a ?? b,
      );
      for (const word of outside) expect(words(minifyWgsl(text)), name).toContain(word);
    }
  });
});

describe('what src/ knows of a shader', () => {
  test('is read from its text', () => {
    expect(
      describeShader(
        `// requires: one, two
        // struct Params { wrong: u32 }
        override SIZE: u32 = 64; // of a group
        const RELU = 1u;
      struct Params {
        conv: Conv, // of a convolution
        slope: f32,
        size: vec2u
      }`.replace(/^ +/gm, ''),
      ),
    ).toEqual({
      requires: ['one', 'two'],
      structs: {
        Params: [
          ['conv', 'Conv'],
          ['slope', 'f32'],
          ['size', 'vec2u'],
        ],
      },
      constants: { SIZE: 64, RELU: 1 },
    });
  });

  const shader = new Shader('test', {
    requires: [{ name: 'conv', requires: [], structs: { Conv: [['k', 'u32']] }, constants: {} }],
    name: 'test',
    structs: {
      Params: [
        ['conv', 'Conv'],
        ['slope', 'f32'],
        ['size', 'vec2u'],
      ],
    },
    constants: { LEAKY_RELU: 2 },
  });

  test('parameters are packed by name, in the order of the struct', () => {
    const floats = new Float32Array(shader.bytes({ size: [3, 4], conv: { k: 5 }, slope: 0.25 }).buffer);
    expect([...new Uint32Array(floats.buffer)]).toEqual([5, 0x3e800000, 3, 4]);
  });

  test('a parameter that is missing or unknown, and a constant that is not there, are errors', () => {
    expect(() => shader.bytes({ size: [3, 4], conv: { k: 5 } })).toThrow(/"slope"/);
    expect(() => shader.bytes({ size: [3, 4], conv: { k: 5, d: 1 }, slope: 1 })).toThrow(
      /members k of struct Conv.*k,d/,
    );
    expect(() => shader.constant('silu')).toThrow(/"SILU"/);
    expect(shader.constant('leaky-relu')).toBe(2);
  });

  test('files come once, after what they require', () => {
    const shared = { name: 'shared', requires: [], structs: {}, constants: {} };
    const one = { name: 'one', requires: [shared], structs: {}, constants: {} };
    const apart = { name: 'apart', text: 'APART', requires: [shared], structs: {}, constants: {} };
    const code = new Shader('test', one, apart).code({ shared: 'SHARED', one: 'ONE' }, []);
    expect(code).toMatch(/^alias Stored1 = f32;\n(.*\n)*SHARED\nONE\nAPART$/);
  });

  test('a binding has the type of its tensor', () => {
    const code = new Shader('test', { name: 'one', text: '', requires: [], structs: {}, constants: {} }).code({}, [2]);
    for (const line of [
      'enable f16;',
      'alias Stored1Vec4 = vec4f;',
      'alias Stored2Vec4 = vec4h;',
      'const SECTOR2 = 4u;',
    ])
      expect(code).toContain(line);
  });
});

describe('Tint compiles every pipeline of the conformance cases', () => {
  let device: GPUDevice;
  beforeAll(async () => {
    device = await nullGpuDevice();
  });

  test.each([
    { half: false, hardware: true },
    { half: true, hardware: true },
    { half: false, hardware: false },
    { half: true, hardware: false },
  ])('%j', async (mode) => {
    const shared = SharedDevice.of(device, texts);
    const pool = new BufferPool(device);
    const seen = new Set<string>();
    for (const c of cases) {
      const program = programOf(c);
      const convs = program.convs.map((conv) => new GpuConv(device, pool, conv));
      const list = new CommandList({ device, shared, ...mode }, pool);
      const ops = createOps(list) as unknown as Ops;
      if ('tensor' in program) program.tensor(ops, convs);
      else program.pixels(ops, convs);
      await Promise.all(list.compiling());
      for (const { work } of list.commands) seen.add(`${work.shader.name}.${work.entryPoint}`);
      list.release();
      for (const conv of convs) conv.dispose();
    }
    pool.dispose();
    if (mode.hardware) {
      for (const name of [
        'conv2d.vec4.staged',
        'reassemble-sum.vec4.staged',
        'carafe-pack.packEven',
        'carafe-pack.packOdd',
      ])
        expect(seen).toContain(name);
    }
    expect(seen.size).toBeGreaterThan(15);
  });
});
