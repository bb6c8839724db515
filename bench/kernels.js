// The kernels of assembly/ alone, on one row (or block of rows) whose data is in the cache: what is left when memory
// costs nothing. Sums are checked against plain loops.
import { readFileSync } from 'node:fs';
import { values } from './data.js';
import { interleave, summary } from './measure.js';
import { createProbe } from './probe.js';
import { root } from '../scripts/ensure.js';

/** @param {{ timing: Parameters<typeof interleave>[1] }} options */
export async function benchKernels({ timing }) {
  const probes = { relaxed: await createProbe(true), simd: await createProbe(false) };
  const results = [];
  for (const build of Object.keys(probes).filter((name) => probes[name])) {
    const kernels = await openKernels(build);
    const contenders = [{ name: 'probe', run: probes[build].run }, ...kernels];
    const samples = await interleave(contenders, timing);
    const probe = { flops: probes[build].flops, samples: samples.probe };
    for (const { name, flops } of kernels) results.push({ name, build, ...summary(samples[name], flops, probe) });
  }
  return results;
}

/**
 * @typedef {Awaited<ReturnType<typeof import('../dist/kernels.js').instantiate>>} Kernels the compiler's own signatures
 */

async function openKernels(build) {
  const memory = new WebAssembly.Memory({ initial: 600 });
  const bytes = readFileSync(`${root}dist/carafe-${build}.wasm`);
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const wasm = /** @type {Kernels} */ (/** @type {unknown} */ (instance.exports));
  let top = 65536;
  const place = (data) => {
    const pointer = top;
    new data.constructor(memory.buffer, pointer, data.length).set(data);
    // rows may be read past their end, and should not share cache sets
    top += Math.ceil(data.byteLength / 64) * 64 + 4096 + 64;
    return pointer;
  };
  const room = (length) => place(new Float32Array(length));
  const scratchOf = (bytes) => room(bytes / 4);
  const floats = (length, seed, amplitude = 1) => place(values(length, seed, amplitude));
  const addresses = (...list) => place(Uint32Array.from(list));
  const read = (pointer, index) => new Float32Array(memory.buffer, pointer)[index];
  const kernels = [];
  const add = (name, flops, run, got, want) => {
    run();
    if (!(Math.abs(got() - want()) < 1e-4)) throw new Error(`Expected ${want()} from ${name}, got ${got()}`);
    kernels.push({ name, flops, run });
  };
  const sum = (length, term) => Array.from({ length }, (_, i) => term(i)).reduce((a, b) => a + b, 0);

  {
    // a 1x1 convolution of 50 pixels: the GEMM tile
    const [pixels, cIn, cOut] = [50, 256, 64];
    const [x, weights, bias, y, scratch] = [
      floats((pixels + 5) * cIn, 1),
      floats(cIn * cOut, 2, 0.1),
      room(cOut),
      room(pixels * cOut),
      scratchOf(wasm.conv2dScratch(pixels, cIn, 1, 1)),
    ];
    const rows = addresses(x);
    add(
      'GEMM 256 -> 64 channels',
      2 * pixels * cIn * cOut,
      () => wasm.conv2d(rows, weights, bias, 0, y, scratch, pixels, cIn, cOut, 1, 1, 1),
      () => read(y, 7 * cOut + 3),
      () => sum(cIn, (k) => read(x, 7 * cIn + k) * read(weights, k * 8 + 3)),
    );
  }
  for (const [cIn, cOut, w] of [
    [64, 100, 48],
    [16, 16, 160],
  ]) {
    // a row of 4x4 blocks; transformed weights of zero, so that the bias is the result
    const x = floats(6 * (w + 2) * cIn, 3);
    const rows = addresses(...Array.from({ length: 6 }, (_, i) => x + i * (w + 2) * cIn * 4));
    const [weights, bias, y] = [room(36 * cIn * Math.ceil(cOut / 4) * 4), floats(cOut + 4, 4), room(4 * w * cOut)];
    const scratch = scratchOf(wasm.winogradScratch(cIn, cOut));
    add(
      `Winograd 3x3 ${cIn} -> ${cOut} channels`,
      2 * 4 * w * 9 * cIn * cOut,
      () => wasm.winograd(rows, weights, bias, 0, 0, y, w * cOut * 4, scratch, 4, w, cIn, cOut, 1),
      () => read(y, cOut + 3),
      () => read(bias, 3),
    );
  }
  for (const layout of ['planes', 'NHWC']) {
    const [w, c, s, kUp] = [50, 80, 2, 5]; // a slice of channels as src/backends/wasm/reassemble.ts has them
    const taps = kUp * kUp;
    const x = floats(kUp * (w + kUp) * c, 5);
    const rows = addresses(...Array.from({ length: kUp }, (_, ky) => x + ky * (w + kUp) * c * 4));
    const [kernel, out, scratch] = [
      floats(w * taps * s * s, 6),
      room(c * (s * s * w + 16)),
      scratchOf(wasm.reassembleScratch(kUp)),
    ];
    const [outPixel, outChannel] = layout === 'planes' ? [4, (s * s * w + 16) * 4] : [c * 4, 4];
    add(
      `reassemble to ${layout}, a slice of 80 channels, kUp 5, scale 2`,
      2 * w * c * taps * s * s,
      () =>
        wasm.reassemble(
          rows,
          kernel,
          out,
          w * s * outPixel,
          outPixel,
          outChannel,
          scratch,
          w,
          c,
          c * 4,
          taps * s * s * 4,
          s,
          kUp,
        ),
      () => read(out, (9 * outChannel + 2 * 3 * outPixel) / 4),
      () =>
        sum(
          taps,
          (tap) =>
            read(kernel, (3 * taps + tap) * s * s) *
            read(x, (Math.floor(tap / kUp) * (w + kUp) + 3 + (tap % kUp)) * c + 9),
        ),
    );
  }
  return kernels;
}
