// Golden vectors from PyTorch (conformance/golden.ts) on every backend, and that no case is missing.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readDial } from '../src/models/dial.js';
import { parseSafetensors } from '../src/models/safetensors.js';
import { allBackends } from './backends.js';
import { goldenArchitectures } from './conformance/golden-networks.js';
import { FILES, goldenCases, goldenNetworks, goldenOp } from './conformance/golden.js';

const read = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, import.meta.url)));

for (const [file, { atLeast, named }] of Object.entries(FILES)) {
  describe(`golden ${file}`, () => {
    const bytes = read(`./golden/${file}.safetensors`);

    it('has its cases, and a case for every tensor', () => {
      const names = goldenCases(bytes).map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThanOrEqual(atLeast);
      expect(names).toEqual(expect.arrayContaining(named));
      const tensors = [...parseSafetensors(bytes).tensors.keys()];
      expect(tensors.filter((key) => !names.some((name) => key.startsWith(`${name}/`)))).toEqual([]);
    });

    for (const { name, open } of allBackends) describe(name, () => goldenOp(file, bytes, open, { test: it }));
  });
}

describe('golden carafe-luma', () => {
  const bytes = read('./golden/carafe-luma.safetensors');

  it('has its cases for every shipped model', () => {
    const models = readdirSync(new URL('../models', import.meta.url))
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => name.slice(0, -12));
    expect(
      goldenCases(bytes)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(
      models
        .flatMap((name) => {
          const { ends } = readDial(parseSafetensors(read(`../models/${name}.safetensors`)));
          const halfWay = ends === 2 ? [`${name} 16x12 restore 0.5`] : [];
          return [...['16x12', '5x3', '1x1'].map((size) => `${name} ${size}`), ...halfWay];
        })
        .sort(),
    );
  });

  for (const { name, open } of allBackends)
    describe(name, () => goldenNetworks(bytes, (file) => read(`../models/${file}`), open, { test: it }));
});

describe('golden networks', () => {
  const bytes = read('./golden/networks.safetensors');

  it('has its cases', () => {
    const names = goldenCases(bytes).map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(41);
    expect(names).toEqual(
      expect.arrayContaining([
        'fpn of ResNet-50',
        'mask head of 100 regions',
        'upernet of ResNet-50',
        'partial-conv carafe',
      ]),
    );
  });

  for (const { name, open } of allBackends) // Seconds of a network of usual size are spent once for each kind of backend.
    describe(name, () => goldenArchitectures(bytes, open, { test: it }, ['wasm-simd', 'webgpu'].includes(name)));
});
