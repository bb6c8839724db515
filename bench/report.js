// Results as markdown, and into BENCHMARKS.md between its markers: <!-- bench:NAME --> ... <!-- /bench:NAME -->.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const number = (value, digits = 1) =>
  value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toFixed(digits);
const percent = (value) => (value === undefined ? '' : `${Math.round(value * 100)} %`);
const short = (value) => Number(value.toPrecision(2));
const times = ({ wall, cpu }) => (cpu === undefined ? `${short(wall)}x` : `${short(cpu)}x (${short(wall)}x)`);

export function table(head, rows) {
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

function provenance({ command, date, cpu, cores, node, v8, browser, package: version, commit, load }) {
  const engine = browser ?? `Node ${node} (V8 ${v8})`;
  return `\`${command}\`: carafe-web ${version} at ${commit}, ${engine}, ${cpu} (${cores} logical cores), ${date}, load before the run ${load}.`;
}

/** @returns {Record<string, string>} markdown by section, of what was measured */
export function sections({ meta, ...measured }) {
  const writers = {
    kernels: kernelTable,
    operators: operatorTable,
    operatorPeers: operatorPeersTable,
    backward: backwardTable,
    upscale: upscaleTable,
    upscalePeers: upscalePeersTable,
    linear: linearTable,
    processes: processTable,
    lanczos: lanczosTable,
  };
  return Object.fromEntries(
    Object.entries(measured).map(([name, value]) => [name, `${provenance(meta)}\n\n${writers[name](value)}`]),
  );
}

function lanczosTable(rows) {
  return table(
    ['', 'CPU ms (wall)', 'over pica', 'best round over its best'],
    rows.map(({ name, cpuMs, wallMs, ratio, bestRatio }) => [
      name,
      `${number(cpuMs)} (${number(wallMs)})`,
      number(ratio, 2),
      number(bestRatio, 2),
    ]),
  );
}

function kernelTable(kernels) {
  return table(
    ['kernel', 'build', 'GF/s', 'of the peak', 'best round: GF/s'],
    kernels.map(({ name, build, gfs, share, bestMs, cpuMs }) => [
      name,
      build,
      number(gfs),
      percent(share),
      number((gfs * cpuMs) / bestMs),
    ]),
  );
}

function backwardTable(shapes) {
  return table(
    ['shape', 'MFLOP', 'forward: CPU ms (wall)', 'backward', 'backward / forward', 'GF/s', 'largest error'],
    shapes.map(({ name, gflop, forward, backward, largestError }) => [
      name,
      number(gflop * 1000, 0),
      `${number(forward.cpuMs)} (${number(forward.wallMs)})`,
      `${number(backward.cpuMs)} (${number(backward.wallMs)})`,
      number(backward.cpuMs / forward.cpuMs),
      number(backward.gfs),
      largestError.toExponential(1),
    ]),
  );
}

function operatorTable(shapes) {
  const head = [
    'shape',
    'MFLOP',
    'worker: CPU ms (wall)',
    'worker, into',
    'worker, shared',
    'inline',
    'inline, into',
    'GF/s',
    'of the peak',
    'best round: GF/s',
    'plain SIMD: GF/s',
    'of its peak',
    'peak, plain',
    'largest error',
  ];
  const milliseconds = ({ cpuMs, wallMs }) => `${number(cpuMs, 2)} (${number(wallMs, 2)})`;
  return table(
    head,
    shapes.map(
      ({
        name,
        gflop,
        ours: {
          worker,
          'worker, into': workerInto,
          'worker, shared': shared,
          inline,
          'inline, into': into,
          'inline, plain SIMD': plain,
        },
        peaks,
        largestError,
      }) => [
        name,
        number(gflop * 1e3),
        ...[worker, workerInto, shared, inline, into].map(milliseconds),
        number(into.gfs),
        percent(into.share),
        number((gflop * 1e3) / into.bestMs),
        number(plain.gfs),
        percent(plain.share),
        [peaks.relaxed, peaks.plain].map((p) => (p === undefined ? 'none' : number(p))).join(', '),
        largestError.toExponential(0),
      ],
    ),
  );
}

function operatorPeersTable(shapes) {
  const head = [
    'shape',
    'peer',
    'best graph',
    'CPU ms (wall)',
    'other graph',
    'over ours (worker)',
    'worker, into',
    'worker, shared',
    'inline',
    'inline, into',
    'plain SIMD, into',
    'best rounds (inline, into)',
  ];
  return table(
    head,
    shapes.flatMap(({ name, ours, peers }) =>
      peers.map(({ runtime, graph, others, cpuMs, wallMs, bestMs, ratios }) => [
        name,
        runtime,
        graph,
        `${number(cpuMs)} (${number(wallMs)})`,
        others.map((other) => `${other.graph} ${number(other.cpuMs)} ms`).join(', '),
        ...['worker', 'worker, into', 'worker, shared', 'inline', 'inline, into', 'inline, plain SIMD'].map((how) =>
          times(ratios[how]),
        ),
        `${short(bestMs / ours['inline, into'].bestMs)}x`,
      ]),
    ),
  );
}

function upscaleTable(images) {
  const head = ['image', 'how', 'CPU ms (wall)', 'megapixels in a second of CPU', 'GF/s', 'of the peak'];
  return table(
    head,
    images.flatMap(({ name, megapixels, ours }) =>
      Object.entries(ours).map(([how, run]) => [
        name,
        how,
        `${number(run.cpuMs)} (${number(run.wallMs)})`,
        number((megapixels / run.cpuMs) * 1e3, 2),
        number(run.gfs),
        percent(run.share),
      ]),
    ),
  );
}

function upscalePeersTable(images) {
  const head = [
    'image',
    'peer',
    'CPU ms (wall)',
    'over ours (worker)',
    'over ours (inline)',
    'best round over our best (inline)',
  ];
  return table(
    head,
    images.flatMap(({ name, ours, peers }) =>
      peers.map((peer) => [
        name,
        peer.name,
        `${number(peer.cpuMs)} (${number(peer.wallMs)})`,
        times(peer.ratios.worker),
        times(peer.ratios.inline),
        `${short(peer.bestMs / ours.inline.bestMs)}x`,
      ]),
    ),
  );
}

function linearTable({ points, exponent }) {
  return `Time grows with area to the power ${number(exponent.cpu, 3)} (CPU; wall ${number(exponent.wall, 3)}).\n\n${table(
    ['side', 'CPU ms (wall)', 'ns of CPU a pixel'],
    points.map(({ side, cpuMs, wallMs }) => [
      side,
      `${number(cpuMs)} (${number(wallMs)})`,
      number((cpuMs * 1e6) / side ** 2),
    ]),
  )}`;
}

function processTable(rows) {
  const head = [
    'process',
    'image',
    'first result: wall ms (CPU)',
    'steady: wall ms (CPU)',
    'first / steady (CPU)',
    'peak RSS of that run',
    'of all',
  ];
  return table(
    head,
    rows.map(({ what, image, first, steady, rssMb }) => [
      what,
      image,
      first ? `${number(first.wallMs)} (${number(first.cpuMs)})` : '',
      steady ? `${number(steady.wallMs)} (${number(steady.cpuMs)})` : '',
      steady ? number(first.cpuMs / steady.cpuMs) : '',
      first ? `${number(first.rssMb)} MB` : '',
      `${number(rssMb)} MB`,
    ]),
  );
}

/** Replaces the text between the markers of each section that was measured; sections without markers are left out. */
export function writeTables(file, texts, suffix = '') {
  let document = readFileSync(file, 'utf8');
  for (const [name, text] of Object.entries(texts)) {
    const [open, close] = [`<!-- bench:${name}${suffix} -->`, `<!-- /bench:${name}${suffix} -->`];
    const [from, to] = [document.indexOf(open), document.indexOf(close)];
    if (from < 0 || to < from) continue;
    document = `${document.slice(0, from + open.length)}\n${text}\n${document.slice(to)}`;
  }
  writeFileSync(file, document);
}

/** Keeps what this run did not measure. */
export function mergeJson(file, results) {
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  mkdirSync(join(file, '..'), { recursive: true });
  const { meta, ...values } = results;
  const measured = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { meta, value }]));
  writeFileSync(file, `${JSON.stringify({ ...before, ...measured }, round, 1)}\n`);
}

const round = (_key, value) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
