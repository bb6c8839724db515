// From the parts' results to tables. A dispatch's share is of what its bytes or its operations allow, whichever takes longer, by the
// copy and the multiply-adds measured on the same card.
import type { PartResult, Row } from './parts.js';

export interface Report {
  readonly date: string;
  readonly build: Row;
  readonly cpu: string;
  readonly node: string;
  readonly small: boolean;
  readonly brief: boolean;
  readonly seconds: number;
  readonly parts: readonly PartResult[];
}

const tableOf = ({ parts }: Report, name: string): Row[] => parts.flatMap(({ tables }) => tables[name] ?? []);

function number(value: unknown): string {
  if (typeof value !== 'number') return value === undefined ? '' : String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3);
}

const table = (heads: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  [heads, heads.map(() => '---'), ...rows.map((row) => row.map(number))]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

const percent = (share: number | undefined): string => (share === undefined ? '' : `${(100 * share).toFixed(0)} %`);

function peaksOf(report: Report): { gbs?: number; tfs?: number } {
  const peaks = tableOf(report, 'peaks') as { what: string; gbs?: number; tfs?: number }[];
  return {
    gbs: peaks.find(({ what }) => what === 'copy')?.gbs,
    tfs: peaks.find(({ what }) => what === 'multiply-adds in registers, f32')?.tfs,
  };
}

interface DispatchRow {
  program: string;
  variant: string;
  label: string;
  us: number;
  bytes?: number;
  flops?: number;
  gbs?: number;
  tfs?: number;
}

/** What its bytes or operations would take, over what it took. */
function share({ us, bytes, flops = 0 }: DispatchRow, { gbs, tfs }: ReturnType<typeof peaksOf>): number | undefined {
  if (bytes === undefined || !gbs || !tfs) return undefined;
  return Math.max(bytes / gbs / 1e3, flops / tfs / 1e6) / us;
}

/** shader.entryPoint {constants}, without quotes. */
const short = (label: string): string => label.replace(/"/g, '').replace(/ f16$/, '');

export function markdown(report: Report): string {
  const { build, cpu, node, date, seconds, parts } = report;
  const adapter = tableOf(report, 'adapter').find(({ what }) => what === 'info')?.value as Row | undefined;
  const peaks = peaksOf(report);
  const of = (name: string): any[] => tableOf(report, name);
  const sections: [string, string][] = [
    [
      'Parts',
      table(
        ['part', 'seconds', 'failures', 'notes'],
        parts.map((part) => [part.part, part.seconds, part.failures.length, part.notes.length]),
      ),
    ],
    [
      'Right',
      table(
        ['what', 'right', 'of'],
        of('correct').map((r) => [r.what, r.right, r.of]),
      ),
    ],
    [
      'Models: largest difference from wasm, of 255',
      table(
        ['model', 'largest', 'bytes that differ'],
        of('models').map((r) => [r.what, r.difference, percent(r.differing)]),
      ),
    ],
    [
      'A lost device',
      table(
        ['backend', 'outcome', 'ms'],
        of('lost').map((r) => [r.backend, r.outcome, r.ms]),
      ),
    ],
    [
      'Buffers',
      table(
        ['what', 'early', 'late'],
        of('flat').map((r) => [r.what, r.early, r.late]),
      ),
    ],
    [
      'Peaks',
      table(
        ['what', 'ms', 'GB/s', 'TF/s'],
        of('peaks').map((r) => [r.what, r.ms, r.gbs, r.tfs]),
      ),
    ],
    [
      'Programs on the GPU: all in one pass, and the sum of dispatches timed one by one',
      table(
        ['program', 'variant', 'dispatches', 'one pass, ms', 'sum, ms'],
        of('programs').map((r) => [r.program, r.variant, r.dispatches, r.passMs, r.sumMs]),
      ),
    ],
    [
      'Dispatches',
      table(
        ['program', 'variant', 'dispatch', 'workgroups', 'us', 'MB', 'MFLOP', 'GB/s', 'TF/s', 'share'],
        of('dispatches').map((r) => [
          r.program,
          r.variant,
          short(r.label),
          r.workgroups.join('x'),
          r.us,
          r.bytes && r.bytes / 1e6,
          r.flops && r.flops / 1e6,
          r.gbs,
          r.tfs,
          percent(share(r, peaks)),
        ]),
      ),
    ],
    [
      'Images, RGBA to RGBA',
      table(
        ['image', 'model', 'storage', 'tile', 'ms', 'best', 'until computed', 'GPU busy, ms', 'first to last pass, ms'],
        of('images').map((r) => [
          r.image,
          r.model,
          r.storage,
          r.tile,
          r.wallMs,
          r.bestMs,
          r.computedMs,
          r.gpuMs,
          r.spanMs,
        ]),
      ),
    ],
    [
      "This thread's time an image, ms",
      table(
        ['image', 'where'],
        of('host').map((r) => [
          r.what,
          Object.entries(r.ms)
            .map(([name, ms]) => `${name} ${ms}`)
            .join(', '),
        ]),
      ),
    ],
    [
      'The operator, NCHW to NCHW',
      table(
        ['shape', 'ms', 'into memory that is there', 'on the GPU', 'off wasm'],
        of('operator').map((r) => [r.shape, r.wallMs, r.intoMs, r.gpuMs, r.difference.toExponential(1)]),
      ),
    ],
    [
      'First result, ms',
      table(
        [
          '',
          'storage',
          'Dawn',
          'createUpscaler',
          'of it the device',
          'pipelines',
          'in',
          'slowest',
          'first 256x256',
          'second',
        ],
        of('first').map((r) => [
          ...[r.what, r.storage, r.dawnMs, r.createMs, r.deviceMs, r.pipelines, r.compileMs, r.slowest],
          ...[r.firstMs, r.secondMs],
        ]),
      ),
    ],
    [
      "ONNX Runtime's WebGPU (onnxruntime-web)",
      table(
        ['what', 'graph', 'theirs, ms', 'ours, ms', 'ratio', 'apart'],
        of('onnxruntime').map((r) => [r.what, r.graph, r.theirsMs, r.oursMs, r.ratio, r.difference]),
      ),
    ],
  ];
  const machine = tableOf(report, 'machine').map(({ what, value }) => `- ${what}: ${value}`);
  const failures = parts.flatMap(({ part, failures: list }) => list.map((text) => `- ${part}: ${text}`));
  const notes = parts.flatMap(({ part, notes: list }) => [...new Set(list)].map((text) => `- ${part}: ${text}`));
  return [
    `# ${adapter ? `${adapter.vendor} ${adapter.architecture}: ${adapter.device} ${adapter.description}` : 'no adapter'}`,
    `carafe-web at ${build.commit}, ${date.slice(0, 10)}, Node ${node} with Dawn (npm webgpu ${build.webgpu}), ${cpu}; ${seconds.toFixed(0)} s.`,
    machine.join('\n'),
    ...sections.filter(([, text]) => text.split('\n').length > 2).map(([title, text]) => `## ${title}\n${text}`),
    `## Failures\n${failures.join('\n') || 'none'}`,
    `## Notes\n${notes.join('\n') || 'none'}`,
    `## Adapter\n\`\`\`json\n${JSON.stringify(tableOf(report, 'adapter'))}\n\`\`\``,
    '',
  ].join('\n\n');
}

/** The end of the output, at most 11,000 characters. */
export function summary(report: Report): string {
  const of = (name: string): any[] => tableOf(report, name);
  const peaks = peaksOf(report);
  const adapter = of('adapter').find(({ what }) => what === 'info')?.value;
  const limits = of('adapter').find(({ what }) => what === 'limits')?.value ?? {};
  const features: string[] = of('adapter').find(({ what }) => what === 'features')?.value ?? [];
  const lines: string[] = [
    '================ summary',
    ...(adapter
      ? [
          `adapter: ${adapter.vendor} ${adapter.architecture} ${adapter.device} ${adapter.description}; subgroups ${adapter.subgroupMinSize}..${adapter.subgroupMaxSize}; ${features.filter((name) => /f16|timestamp|subgroup|matrix|float32/.test(name)).join(' ')}`,
          `limits: buffer ${limits.maxBufferSize}, binding ${limits.maxStorageBufferBindingSize}, workgroup memory ${limits.maxComputeWorkgroupStorageSize}, invocations ${limits.maxComputeInvocationsPerWorkgroup}`,
        ]
      : []),
    ...of('machine').map(({ what, value }) => `${what}: ${value}`),
  ];
  const sums = new Map<string, [number, number]>();
  for (const { what, right, of: all } of of('correct')) {
    const key = what.replace(/^golden [a-z0-9-]+/, 'golden');
    const [a, b] = sums.get(key) ?? [0, 0];
    sums.set(key, [a + right, b + all]);
  }
  for (const [what, [right, all]] of sums) lines.push(`${what}: ${right} of ${all}`);
  const worst = (name: string): string => {
    const rows = of('models').filter(({ what }) => what.includes(name));
    return `${rows.length} images ${name}, largest difference ${Math.max(...rows.map(({ difference }) => difference))}`;
  };
  if (of('models').length) lines.push(`models: ${worst('f32')}; ${worst('f16')}`);
  for (const r of of('lost')) lines.push(`lost, ${r.backend}: ${r.outcome}, ${number(r.ms)} ms`);
  for (const r of of('flat')) lines.push(`${r.what}: ${r.early}, ${r.late}`);
  for (const r of of('peaks'))
    lines.push(`peak ${r.what}: ${r.gbs ? `${number(r.gbs)} GB/s` : `${number(r.tfs)} TF/s`}`);
  for (const r of of('programs'))
    lines.push(
      `GPU ${r.program} ${r.variant}: ${r.dispatches} dispatches, one pass ${number(r.passMs)} ms, sum ${number(r.sumMs)}`,
    );
  for (const program of ['base 1440x1440', 'C=256 50x50', 'C=64 128x128']) {
    for (const r of of('dispatches').filter((row) => row.program === program && row.variant.includes('staged')))
      lines.push(
        ` ${r.variant.slice(0, 3)} ${r.program.split(' ').at(-1)} ${short(r.label).slice(0, 60)} ${number(r.us)} us ${number(r.gbs)} GB/s ${number(r.tfs)} TF/s ${percent(share(r, peaks))}`,
      );
  }
  for (const r of of('images'))
    lines.push(
      `image ${r.image} ${r.model} ${r.storage} tile ${r.tile}: ${number(r.wallMs)} ms, best ${number(r.bestMs)}, computed ${number(r.computedMs)}, GPU ${number(r.gpuMs)}, span ${number(r.spanMs)}`,
    );
  for (const r of of('host')) lines.push(`host ${r.what}: ${JSON.stringify(r.ms).replace(/"/g, '').slice(0, 230)}`);
  for (const r of of('operator'))
    lines.push(`operator ${r.shape}: ${number(r.wallMs)} ms, into ${number(r.intoMs)}, GPU ${number(r.gpuMs)}`);
  for (const r of of('first'))
    lines.push(
      `first, ${r.what}, ${r.storage}: create ${number(r.createMs)}, device ${number(r.deviceMs)}, ${r.pipelines} pipelines in ${number(r.compileMs)} (${r.slowest}), first ${number(r.firstMs)}, second ${number(r.secondMs)} ms`,
    );
  for (const r of of('onnxruntime'))
    lines.push(`ort ${r.what} ${r.graph}: ${number(r.theirsMs)} ms, ours ${number(r.oursMs)}: ${number(r.ratio)}x`);
  const failures = report.parts.flatMap(({ part, failures: list }) => list.map((text) => `FAILED ${part}: ${text}`));
  const notes = report.parts.flatMap(({ part, notes: list }) =>
    [...new Set(list)].map((text) => `note ${part}: ${text}`),
  );
  lines.push(...notes.slice(0, 12).map((text) => text.slice(0, 200)));
  const told = failures.slice(0, 20).map((text) => text.slice(0, 320));
  lines.push(
    `failures: ${failures.length}${failures.length > told.length ? `, the first ${told.length}:` : ''}`,
    ...told,
  );
  return lines.join('\n').slice(-11_000);
}
