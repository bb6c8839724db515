// `main.js [--small | --brief] [--seconds n] [--out folder] [part ...]` runs the parts, each in a process of its own, in the order they are
// named: neighbours that are not timed side by side, the others one by one. Then results.json, results.md and log.txt are in the folder.
// `main.js --part name --out file` is one of those processes.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { correctness } from './correctness.js';
import { info, printAdapter } from './info.js';
import { type Part, type PartResult, runPart } from './parts.js';
import { peaks } from './peaks.js';
import { markdown, summary } from './report.js';
import { timing } from './timing.js';

const ALL: readonly Part[] = [info, ...correctness, peaks, ...timing];
const { values, positionals } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '345' }, // of all parts
    out: { type: 'string', default: 'carafe-results' },
    part: { type: 'string' },
    list: { type: 'boolean' },
    adapter: { type: 'boolean' },
  },
  allowPositionals: true,
});
const folder = fileURLToPath(new URL('..', import.meta.url));
const { small, brief, out } = values;

if (values.list) {
  console.log(ALL.map(({ name }) => name).join('\n'));
} else if (values.adapter) {
  await printAdapter();
} else if (values.part) {
  const right = await runPart(find(values.part), folder, out, { small, brief });
  process.exit(right ? 0 : 1); // at once: a device that is stuck does not keep the process
} else {
  const named = positionals.flatMap((prefix) => ALL.filter(({ name }) => name.startsWith(prefix)));
  if (positionals.some((prefix) => !ALL.some(({ name }) => name.startsWith(prefix))))
    throw new Error(`Expected parts of ${ALL.map(({ name }) => name).join(', ')}, got ${positionals.join(', ')}`);
  await runAll(positionals.length ? [...new Set(named)] : ALL);
}

function find(name: string): Part {
  const part = ALL.find((one) => one.name === name);
  if (!part) throw new Error(`Expected a part, got ${name}`);
  return part;
}

async function runAll(parts: readonly Part[]): Promise<void> {
  const started = performance.now();
  const left = (): number => Number(values.seconds) - (performance.now() - started) / 1000;
  const work = join(out, 'parts');
  rmSync(work, { recursive: true, force: true }); // of a run that was cut off
  mkdirSync(work, { recursive: true });
  const results: PartResult[] = [];
  let log = '';
  const run = async (part: Part): Promise<void> => {
    const limit = Math.min((small ? 4 : 1) * part.limit, left());
    const file = join(work, `${part.name}.json`);
    const { code, output, seconds } =
      limit > 3 ? await inProcess(part, file, limit) : { code: 'no time was left', output: '', seconds: 0 };
    const result = readResult(file, part.name);
    const ended = result.seconds !== undefined;
    const problems = ended ? result.failures : [...result.failures, `ended early: ${code}; ${output.slice(-1500)}`];
    results.push({ ...result, failures: problems });
    log += `===== ${part.name}: ${code}, ${seconds.toFixed(1)} s\n${output}\n`;
    console.log(`${part.name}: ${problems.length ? `${problems.length} FAILED` : 'ok'}, ${seconds.toFixed(1)} s`);
  };

  const queue = [...parts];
  const lane = async (): Promise<void> => {
    while (queue[0]?.untimed) await run(queue.shift()!);
  };
  const lanes = Math.max(1, Math.floor(availableParallelism() / 2));
  while (queue.length > 0) {
    if (queue[0].untimed) await Promise.all(Array.from({ length: lanes }, lane));
    else await run(queue.shift()!);
  }

  rmSync(work, { recursive: true });
  const order = (name: string): number => ALL.findIndex((part) => part.name === name);
  results.sort((a, b) => order(a.part) - order(b.part));
  const report = {
    date: new Date().toISOString(),
    build: JSON.parse(readFileSync(join(folder, 'build.json'), 'utf8')),
    cpu: `${cpus()[0]?.model.trim()} (${cpus().length} logical cores)`,
    node: process.version,
    small,
    brief,
    seconds: (performance.now() - started) / 1000,
    parts: results,
  };
  writeFileSync(join(out, 'results.json'), JSON.stringify(report, undefined, 1));
  writeFileSync(join(out, 'results.md'), markdown(report));
  writeFileSync(join(out, 'log.txt'), log.slice(-8_000_000));
  console.log(summary(report));
  process.exitCode = results.some(({ failures }) => failures.length) ? 1 : 0;
}

function readResult(file: string, part: string): PartResult {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { part, failures: ['left no result'], notes: [], tables: {} };
  }
}

/** Output is kept as it comes; the process is killed at its limit. */
function inProcess(
  { name, env }: Part,
  file: string,
  limit: number,
): Promise<{ code: string; output: string; seconds: number }> {
  return new Promise((resolve) => {
    const before = performance.now();
    const child = spawn(
      process.execPath,
      [
        ...process.execArgv,
        fileURLToPath(import.meta.url),
        '--part',
        name,
        '--out',
        file,
        ...(small ? ['--small'] : []),
        ...(brief ? ['--brief'] : []),
      ],
      { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      child.kill('SIGKILL');
    }, limit * 1000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({
        code: killed ? `killed after ${limit.toFixed(0)} s` : `exit ${code ?? signal}`,
        output,
        seconds: (performance.now() - before) / 1000,
      });
    });
  });
}
