// The peak of this engine on this core: a loop of independent multiply-adds that never leaves the registers. V8 has 15 vector
// registers; 8 to 12 accumulators cover the latency of a multiply and an add, and the best count is the peak.
// The module is assembled here byte by byte: (func (export "run") (param $n i32) (result f32)).

const F32X4_ADD = [0xfd, 0xe4, 0x01];
const F32X4_MUL = [0xfd, 0xe6, 0x01];
const F32X4_RELAXED_MADD = [0xfd, 0x85, 0x02];
const F32X4_SPLAT = [0xfd, 0x13];
const F32X4_EXTRACT_0 = [0xfd, 0x1f, 0x00];
const [I32, F32, V128] = [0x7f, 0x7d, 0x7b];

const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >> 7)]);
const section = (id, ...bytes) => [id, ...leb(bytes.length), ...bytes];
const f32 = (value) => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];

/** @param {number} accumulators @param {boolean} relaxed relaxed_madd, else mul and add */
function assemble(accumulators, relaxed) {
  const [n, a, b, first] = [0, 1, 2, 3];
  const each = (body) => Array.from({ length: accumulators }, (_, i) => body(first + i)).flat();
  const step = (acc) =>
    relaxed // acc = acc * a + b, which tends to b / (1 - a) and stays normal
      ? [...get(acc), ...get(a), ...get(b), ...F32X4_RELAXED_MADD, ...set(acc)]
      : [...get(acc), ...get(a), ...F32X4_MUL, ...get(b), ...F32X4_ADD, ...set(acc)];
  const body = [
    ...leb(1),
    ...leb(2 + accumulators),
    V128, // locals
    ...f32(0.5),
    ...F32X4_SPLAT,
    ...set(a),
    ...f32(0.25),
    ...F32X4_SPLAT,
    ...set(b),
    ...each((acc) => [...f32(acc), ...F32X4_SPLAT, ...set(acc)]),
    0x03,
    0x40, // loop
    ...each(step),
    ...get(n),
    0x41,
    1,
    0x6b,
    0x22,
    n,
    0x0d,
    0,
    0x0b, // n -= 1; br_if
    ...f32(0),
    ...each((acc) => [...get(acc), ...F32X4_EXTRACT_0, 0x92]),
    0x0b,
  ];
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, 1, 0x60, 1, I32, 1, F32),
    ...section(3, 1, 0),
    ...section(7, 1, 3, ...new TextEncoder().encode('run'), 0, 0),
    ...section(10, 1, ...leb(body.length), ...body),
  ]);
}

/**
 * @param {boolean} relaxed
 * @returns {Promise<{ run(): void, flops: number } | undefined>} one run takes about 10 ms; undefined where the engine lacks the opcode
 */
export async function createProbe(relaxed) {
  const iterations = 500_000;
  /** @type {{ run(): void, flops: number, speed: number } | undefined} */
  let best;
  for (const accumulators of [8, 10, 12]) {
    const bytes = assemble(accumulators, relaxed);
    if (!WebAssembly.validate(bytes)) return undefined;
    const { instance } = await WebAssembly.instantiate(bytes);
    const run = /** @type {(iterations: number) => number} */ (instance.exports.run);
    let fastest = Infinity;
    for (let i = 0; i < 12; i++) {
      const start = performance.now();
      run(iterations);
      fastest = Math.min(fastest, performance.now() - start);
    }
    const flops = iterations * accumulators * 8;
    if (!best || flops / fastest > best.speed) best = { run: () => run(iterations), flops, speed: flops / fastest };
  }
  return best;
}
