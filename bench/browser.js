// npm run bench:browser [-- --quick] [--peers] [--json FILE] [--write]: the operator and the upscaler in Chromium, on wasm and on WebGPU (the software
// adapter SwiftShader where there is no GPU: its times say what dispatches and code cost, not how fast a GPU is). First result: a fresh
// page, from before the import; steady: contenders in turns. --peers: the operator's graphs in onnxruntime-web too, wasm and webgpu.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuild, ensureDebian, ensurePackages, root } from '../scripts/ensure.js';
import { ensurePeers } from './peers/ensure.js';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, peers: { type: 'boolean', default: false }, json: { type: 'string' }, write: { type: 'boolean', default: false } },
});
ensurePackages();
ensureDebian({ '/usr/bin/chromium': 'chromium' });
ensureBuild();
if (options.peers) ensurePeers();

const { chromium } = await import('playwright-core');
const { serve } = await import('../scripts/serve.js');
const { operatorData } = await import('./data.js');
const { describeRun } = await import('./machine.js');
const { mergeJson, table, writeTables } = await import('./report.js');
const { browserImages, browserOperators, quickImages, quickOperators } = await import('./shapes.js');

// Debian's Chromium as the tests launch it; WebGPU has an adapter only with the last flag.
const ARGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-unsafe-webgpu'];
const OURS = [
  { name: 'wasm, worker', runtime: 'carafe-web', backend: 'wasm', thread: 'worker' },
  { name: 'wasm, inline', runtime: 'carafe-web', backend: 'wasm', thread: 'inline' },
  { name: 'webgpu, worker', runtime: 'carafe-web', backend: 'webgpu', thread: 'worker' },
];
const TIMING = options.quick ? { rounds: 3, sampleMs: 1, warmupMs: 0 } : { rounds: 9, budgetMs: 40_000 };

const meta = describeRun(['npm run bench:browser', process.argv.length > 2 ? ['--', ...process.argv.slice(2)].join(' ') : ''].filter(Boolean).join(' '));
const profile = mkdtempSync(join(tmpdir(), 'carafe-web-bench-'));
const site = await serve(root);
const browser = await chromium.launchPersistentContext(profile, { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS, headless: true });
meta.browser = `Chromium ${browser.browser()?.version() ?? ''}`.trim();
await browser.route(/\.mjs$/, (route) => route.fulfill({ body: readFileSync(join(root, new URL(route.request().url()).pathname)), contentType: 'text/javascript' }));
try {
  const rows = [];
  for (const shape of options.quick ? quickOperators.slice(0, 1) : browserOperators) rows.push(await measure(shape.name, { shape }, [...OURS, ...(options.peers && shape.peers ? await peersOf(shape) : [])]));
  for (const image of options.quick ? quickImages : browserImages) rows.push(await measure(image.name, { image }, OURS));
  const text = `${provenance()}\n\n${table(['what', 'how', 'first result, ms', 'steady, ms', 'steady, times ours', 'runs on'], rows.flatMap(toRows))}`;
  console.log(`all match\n\n${text}`);
  if (options.json) mergeJson(options.json, { meta, browser: rows });
  if (options.write) {
    mergeJson(join(root, 'bench/results/browser.json'), { meta, browser: rows });
    writeTables(join(root, 'BENCHMARKS.md'), { browser: text });
  }
} finally {
  await browser.close();
  await site.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}

async function measure(name, job, contenders) {
  const firsts = {};
  for (const contender of contenders) firsts[contender.name] = await inPage('first', contender, job);
  const { contenders: steady, wrong } = await inPage('steady', contenders, job, TIMING);
  console.error(`${name}: ${Object.entries(steady).map(([how, { wallMs }]) => `${how} ${wallMs.toFixed(1)} ms`).join(', ')}`);
  return { name, wrong, contenders: contenders.map((contender) => ({ name: contender.name, firstMs: firsts[contender.name], ...steady[contender.name] })) };
}

/** Calls a function of bench/page.js in a fresh page. */
async function inPage(call, ...args) {
  const page = await browser.newPage();
  try {
    await page.goto(`${site.origin}/bench/page.html`);
    return await page.evaluate(async ([name, values]) => (await import('/bench/page.js'))[name](...values), [call, args]);
  } finally {
    await page.close();
  }
}

async function peersOf(shape) {
  const { operatorGraphs } = await import('./peers/carafe-onnx.js');
  return Object.entries(operatorGraphs(shape, operatorData(shape).weights)).flatMap(([graph, model]) => ['wasm', 'webgpu'].map((backend) => (
    { name: `onnxruntime-web ${backend} (${graph})`, runtime: 'onnxruntime-web', backend, model: model.toString('base64') })));
}

function toRows({ name, wrong, contenders }) {
  return contenders.map(({ name: how, firstMs, wallMs, over, ratio, details }) => [
    name, how, firstMs.toFixed(0), how in wrong ? `wrong result (off by ${wrong[how].toPrecision(2)})` : wallMs.toFixed(2), over === undefined || over === how ? '' : `${ratio.toFixed(1)}x (${over})`, details ?? '',
  ]);
}

function provenance() {
  const { command, package: version, commit, browser: engine, cpu, cores, date, load } = meta;
  return `\`${command}\`: carafe-web ${version} at ${commit}, ${engine}, ${cpu} (${cores} logical cores), ${date}, load before the run ${load}.`;
}
