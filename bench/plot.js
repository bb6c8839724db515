// node bench/plot.js: bench/results/*.json and models/*.{md,log} -> bench/plots/*.svg. Called by npm run bench -- --write.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const [WIDTH, HEIGHT] = [860, 420];
const BOX = { left: 70, right: 20, top: 56, bottom: 96 };
const [OURS, OTHERS, INK, FAINT] = ['#1b6ef3', '#8a8f98', '#222', '#ddd'];

/**
 * own: ours; how: the name of its measurement; measured: a peer's; ms: measured earlier; paper: the number is from a paper; hollow: a time
 * that was not measured beside ours
 * @typedef {{ name: string, db: number, macs?: number, ms?: number, own?: boolean, how?: string, measured?: string, paper?: boolean, hollow?: boolean }} Model
 */

// Set14 x2 in dB: PSNR on Y, MATLAB's bicubic as the input, the protocol of bench/quality.js. Of UpscalerJS's models and the ECBSR
// networks in ONNX Runtime these were measured once, with the versions in bench/peers/package.json, in November 2026; `ms` (CPU
// for a 256x256 input, one thread, the same processor unloaded) stands in where the bench does not run that peer itself.
/** @type {Model[]} */
const QUALITY = [
  { name: 'pica lanczos3', db: 30.77, measured: 'pica, lanczos3' },
  { name: 'esrgan-slim (tfjs-wasm)', db: 30.22, measured: 'UpscalerJS esrgan-slim, tfjs-wasm' },
  { name: 'esrgan-medium (tfjs-wasm)', db: 30.27, ms: 3420 },
  { name: 'esrgan-thick (tfjs-wasm)', db: 30.56, ms: 37000 },
  { name: 'ECBSR-M4C16 (ORT-web)', db: 32.78, measured: "onnxruntime-web, ECBSR-M4C16's shape" },
  { name: 'ECBSR-M4C32 (ORT-web)', db: 33.02, ms: 229 },
  { name: 'ECBSR-M4C16 (ORT native)', db: 32.78, measured: "onnxruntime-node, ECBSR-M4C16's shape" },
  { name: 'ECBSR-M4C32 (ORT native)', db: 33.02, ms: 84 },
];

// Set14 x2 in dB against multiply-adds per input pixel: the first four measured by us in that protocol, the others from their papers.
/** @type {Model[]} */
const COST = [
  { name: 'ESPCN', macs: 26_800, db: 32.61 },
  { name: 'ECBSR-M4C16', macs: 11_500, db: 32.78 },
  { name: 'ECBSR-M4C32', macs: 41_500, db: 33.02 },
  { name: 'ECBSR-M6C40', macs: 92_000, db: 33.17 },
  { name: 'SESR-M3', macs: 8_900, db: 32.7, paper: true },
  { name: 'SESR-M5', macs: 13_500, db: 32.84, paper: true },
  { name: 'SESR-M11', macs: 27_000, db: 33.03, paper: true },
  { name: 'SESR-XL', macs: 105_000, db: 33.24, paper: true },
  { name: 'ETDS-L', macs: 152_000, db: 33.24, paper: true },
];

/** What the cards of the shipped x2 models for clean photographs say. @returns {Model[]} */
function ownModels() {
  return ['small', 'base', 'large', 'xl'].map((name) => {
    const text = readFileSync(join(folder, `../models/${name}-x2.md`), 'utf8');
    return {
      name: `carafe-web ${name}`,
      own: true,
      how: name === 'base' ? 'worker' : `worker, ${name}`,
      db: Number(/\| \*\*[\w-]+\*\* \| \*\*([\d.]+)\*\*/.exec(text)[1]),
      macs: Number(/multiply-adds per LR pixel \| ([\d,]+)/.exec(text)[1].replace(',', '')),
    };
  });
}

export function plotAll() {
  mkdirSync(join(folder, 'plots'), { recursive: true });
  writeFileSync(join(folder, 'plots/quality-against-cost.svg'), qualityAgainstCost());
  writeFileSync(join(folder, 'plots/learning-curves.svg'), learningCurves());
  for (const major of [20, 24]) {
    const file = join(folder, `results/node-v${major}.json`);
    if (!existsSync(file)) continue;
    const { operators, linear, upscalePeers } = JSON.parse(readFileSync(file, 'utf8'));
    const save = (name, svg) => writeFileSync(join(folder, `plots/${name}-node${major}.svg`), svg);
    if (operators) save('gfs-by-shape', gfsByShape(operators, major));
    if (linear) save('time-against-area', timeAgainstArea(linear, major));
    const small = upscalePeers?.value.find(({ name }) => name === '256x256');
    if (small) save('quality-against-time', qualityAgainstTime(small, upscalePeers.meta, major));
  }
}

/** Results of earlier versions do not have `into`. */
const quickest = (ours) => ours['inline, into'] ?? ours.inline;

function gfsByShape({ meta, value: shapes }, major) {
  const highest = Math.max(...shapes.flatMap(({ peaks, ours }) => [peaks.relaxed ?? peaks.plain, quickest(ours).gfs]));
  const y = linearScale(0, Math.ceil(highest / 10) * 10 + 5, HEIGHT - BOX.bottom, BOX.top);
  const step = (WIDTH - BOX.left - BOX.right) / shapes.length;
  const bars = shapes.map(({ name, ours, peaks }, i) => {
    const x = BOX.left + i * step;
    const { gfs } = quickest(ours);
    const top = peaks.relaxed ?? peaks.plain;
    return `${rect(x + step * 0.15, y(gfs), step * 0.7, y(0) - y(gfs), OURS)}${line(x + step * 0.05, y(top), x + step * 0.95, y(top), INK, 2)}
${text(x + step / 2, y(gfs) - 4, gfs.toFixed(0), 'middle')}<text transform="translate(${x + step / 2 + 4},${y(0) + 8}) rotate(60)">${escapeXml(name)}</text>`;
  });
  return frame(
    `CARAFE, GF/s by shape (direct-equivalent); black: the register-only peak of the same rounds`,
    caption(major, meta),
    [
      ...axisY(
        y,
        Array.from({ length: Math.ceil(highest / 10) + 1 }, (_, i) => 10 * i),
        'GF/s',
      ),
      ...bars,
    ],
  );
}

function timeAgainstArea({ meta, value: { points, exponent } }, major) {
  const x = logScale(points[0].side ** 2 / 2, points.at(-1).side ** 2 * 2, BOX.left, WIDTH - BOX.right);
  const values = points.map(({ cpuMs }) => cpuMs);
  const y = logScale(Math.min(...values) / 2, Math.max(...values) * 2, HEIGHT - BOX.bottom, BOX.top);
  const middle = points[points.length >> 1];
  const proportional = (side) => middle.cpuMs * (side / middle.side) ** 2;
  const [a, b] = [points[0].side, points.at(-1).side];
  return frame(
    `Upscaling by 2, CPU time against area, one worker: exponent ${exponent.cpu.toFixed(3)} (dashed: proportional)`,
    caption(major, meta),
    [
      ...axisY(y, decades(y), 'ms'),
      ...points.map(({ side }) => text(x(side ** 2), HEIGHT - BOX.bottom + 18, `${side}²`, 'middle')),
      line(x(a * a), y(proportional(a)), x(b * b), y(proportional(b)), OTHERS, 1, '5 4'),
      ...points.map(
        ({ side, cpuMs }) =>
          `<circle cx="${x(side ** 2)}" cy="${y(cpuMs)}" r="5" fill="${OURS}"/>${text(x(side ** 2) + 9, y(cpuMs) + 14, cpuMs >= 100 ? cpuMs.toFixed(0) : cpuMs.toFixed(1))}`,
      ),
    ],
  );
}

function qualityAgainstCost() {
  const x = logScale(3000, 250_000, BOX.left, WIDTH - BOX.right);
  const y = linearScale(32.4, 33.4, HEIGHT - BOX.bottom, BOX.top);
  return frame(
    'Set14 x2 against multiply-adds per input pixel; hollow: from their papers',
    'PSNR on luma, bicubic as the input; bicubic itself 30.32 dB, pica lanczos3 30.77, the best WebGPU upscaler we found 32.04',
    [
      ...axisY(y, [32.4, 32.6, 32.8, 33, 33.2, 33.4], 'dB'),
      ...[5000, 10_000, 20_000, 50_000, 100_000, 200_000].map((v) =>
        text(x(v), HEIGHT - BOX.bottom + 18, `${v / 1000}k`, 'middle'),
      ),
      ...[...ownModels(), ...COST].map(
        ({ name, macs, db, own, paper }) =>
          dot(x(macs), y(db), own, paper) +
          (own ? text(x(macs) - 8, y(db) - 10, name, 'end') : text(x(macs) + 10, y(db) + 4, name)),
      ),
    ],
  );
}

/** The runs of a model's log at its own scale, one after the other: millions of patches seen, and dB on the kept-back photographs of BSDS500. */
function learningCurve(model) {
  const scale = Number(model.at(-1));
  const points = [];
  let before = 0;
  for (const run of readFileSync(join(folder, `../models/${model}.log`), 'utf8')
    .split('# carafe-luma ')
    .slice(1)) {
    const { batch, strong, web } = JSON.parse(/# options ({.*})/.exec(run)[1]);
    if (strong || web || JSON.parse(run.split(' params')[0]).scale !== scale) continue; // strong ends are measured on worse images
    const steps = [...run.matchAll(/^step (\d+) .* bsds400 ([\d.]+)/gim)].map(([, step, db]) => [
      Number(step),
      Number(db),
    ]);
    points.push(...steps.map(([step, db]) => ({ patches: before + (step * batch) / 1e6, db })));
    before = points.at(-1).patches;
  }
  return points;
}

function learningCurves() {
  const panel = (WIDTH - BOX.left - BOX.right) / 3;
  const panels = [
    [2, 31.2],
    [3, 28.1],
    [4, 26.65],
  ].flatMap(([scale, lowest], i) => {
    const left = BOX.left + i * panel;
    const curves = ['small', 'base', 'large'].map((size) => ({ size, points: learningCurve(`${size}-x${scale}`) }));
    const last = Math.ceil(Math.max(...curves.map(({ points }) => points.at(-1).patches)) * 5) / 5;
    const x = linearScale(0, last, left, left + panel - 60);
    const y = linearScale(lowest, lowest + 0.5, HEIGHT - BOX.bottom, BOX.top + 20);
    const ticks = Array.from({ length: 6 }, (_, tick) => Number((lowest + tick / 10).toFixed(2)));
    return [
      text(left, BOX.top + 4, `x${scale}`),
      text(x(last), HEIGHT - BOX.bottom + 18, `${last} M patches`, 'middle'),
      ...ticks.map((v) => line(left, y(v), x(last), y(v), FAINT) + text(left - 4, y(v) + 4, v, 'end')),
      ...curves.map(({ size, points }) => {
        const path = points
          .filter(({ db }) => db >= lowest)
          .map(({ patches, db }) => `${x(patches)},${y(db)}`)
          .join(' ');
        return `<polyline points="${path}" fill="none" stroke="${OURS}" stroke-width="1.5"/>${text(x(points.at(-1).patches) + 4, y(points.at(-1).db) + 4, size)}`;
      }),
    ];
  });
  return frame(
    "What training gave: PSNR in dB on the kept-back photographs of BSDS500 against patches seen, of all runs at the model's scale",
    'Each dip is a run that begins again at a high rate, on other shares of the data or with a new layer; on a GPU it is measured 0.05 lower; from models/*.log',
    panels,
  );
}

function qualityAgainstTime({ ours, peers }, meta, major) {
  const points = [
    ...ownModels()
      .filter(({ how }) => ours[how])
      .map((model) => ({ ...model, ms: ours[model.how].cpuMs })),
    ...QUALITY.map((point) => {
      const peer = peers.find(({ name }) => name === point.measured);
      return peer ? { ...point, ms: peer.cpuMs } : { ...point, hollow: true };
    }).filter(({ ms }) => ms),
  ];
  const x = logScale(1, 150_000, BOX.left, WIDTH - BOX.right);
  const y = linearScale(30, 33.5, HEIGHT - BOX.bottom, BOX.top);
  return frame(
    `Set14 x2 against CPU time of a 256x256 input, one thread; hollow: time measured earlier, unloaded`,
    caption(major, meta),
    [
      ...axisY(y, [30, 31, 32, 33], 'dB'),
      ...decades(x).map((v) => text(x(v), HEIGHT - BOX.bottom + 18, `${v} ms`, 'middle')),
      line(BOX.left, y(30.32), WIDTH - BOX.right, y(30.32), OTHERS, 1, '5 4'),
      text(BOX.left + 4, y(30.32) - 4, 'bicubic'),
      ...points.map(({ name, db, ms, own, hollow }) => dot(x(ms), y(db), own, hollow) + label(x(ms), y(db), name, own)),
    ],
  );
}

function dot(x, y, own, hollow) {
  const colour = own ? OURS : OTHERS;
  return `<circle cx="${x}" cy="${y}" r="6" fill="${hollow ? '#fff' : colour}" stroke="${colour}" stroke-width="2"/>`;
}

/** Native and web points of one network lie side by side, and so do esrgan's: the name of the left one goes to the left. */
function label(x, y, name, own) {
  return own || /native|slim|thick/.test(name)
    ? text(x - 10, y + (own ? 18 : 4), name, 'end')
    : text(x + 10, y + 4, name);
}

const caption = (major, { cpu, commit, date, load }) =>
  `Node ${major}, ${cpu}, carafe-web at ${commit}, ${date}, load before the run ${load}`;

function linearScale(from, to, a, b) {
  return (v) => Math.round((a + ((v - from) / (to - from)) * (b - a)) * 10) / 10;
}

function logScale(from, to, a, b) {
  const scale = linearScale(Math.log(from), Math.log(to), a, b);
  return Object.assign((v) => scale(Math.log(v)), { from, to });
}

function decades({ from, to }) {
  const first = Math.ceil(Math.log10(from));
  return Array.from({ length: Math.floor(Math.log10(to)) - first + 1 }, (_, i) =>
    Number((10 ** (first + i)).toPrecision(1)),
  );
}

function axisY(y, values, unit) {
  return values.map(
    (v) =>
      line(BOX.left, y(v), WIDTH - BOX.right, y(v), FAINT) +
      text(BOX.left - 6, y(v) + 4, v === values.at(-1) ? `${v} ${unit}` : v, 'end'),
  );
}

const rect = (x, y, w, h, fill) =>
  `<rect x="${x.toFixed(1)}" y="${y}" width="${w.toFixed(1)}" height="${h.toFixed(1)}" fill="${fill}"/>`;
const line = (x1, y1, x2, y2, stroke, width = 1, dash = '') =>
  `<line x1="${Number(x1).toFixed(1)}" y1="${y1}" x2="${Number(x2).toFixed(1)}" y2="${y2}" stroke="${stroke}" stroke-width="${width}"${dash && ` stroke-dasharray="${dash}"`}/>`;
const text = (x, y, content, anchor = 'start') =>
  `<text x="${Number(x).toFixed(1)}" y="${Number(y).toFixed(1)}" text-anchor="${anchor}">${escapeXml(String(content))}</text>`;
const escapeXml = (content) => content.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** Two lines above the plot: what it shows, and where it was measured. */
function frame(title, source, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11" fill="${INK}">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="10" y="18" font-size="13">${escapeXml(title)}</text><text x="10" y="33" fill="${OTHERS}">${escapeXml(source)}</text>
${parts.join('\n')}
</svg>
`;
}

if (process.argv[1] === import.meta.filename) plotAll();
