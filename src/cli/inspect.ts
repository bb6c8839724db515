// carafe-web inspect: the CARAFE layers of a checkpoint or an ONNX model, and what looks like one and is refused.
import { parseArgs } from 'node:util';
import { type CarafeLayerInfo, listCarafe } from '../index.js';
import { rewriteCarafe } from '../onnx/index.js';
import { isOnnx, readModel } from './checkpoints.js';
import { invalid } from './options.js';

export const USAGE = `Usage: carafe-web inspect [--json] FILE
The CARAFE layers in a checkpoint (.pth, .pt, .safetensors; nothing in it is executed) or an ONNX model: where each is, which
implementation, its shapes, and what its names do not say and is taken for granted. What looks like CARAFE and computes something
else is named with the reason. The exit code is 1 if there is no CARAFE.

Example:
  carafe-web inspect epoch_12.pth`;

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return console.log(USAGE);
  if (positionals.length !== 1) throw invalid('file', 'one file', positionals.join(' '));
  const [name] = positionals;
  const bytes = await readModel(name);
  if (isOnnx(name)) {
    const { found } = rewriteCarafe(bytes);
    if (values.json) return console.log(JSON.stringify({ found }));
    for (const { kind, output, features, kernels, scale, kUp, groups } of found)
      console.log(
        `${output}  ${kind === 'mmcv' ? 'mmcv::MMCVCARAFE' : 'nearest + unfold + einsum'}  features ${features}, kernels ${kernels}, kUp ${kUp}, scale ${scale}, groups ${groups}`,
      );
    return;
  }
  const { layers, refused } = await listCarafe(bytes);
  if (layers.length === 0) process.exitCode = 1;
  if (values.json) return console.log(JSON.stringify({ layers, refused }));
  for (const layer of layers) console.log(describe(layer));
  for (const { prefix, reason } of refused) console.log(`${place(prefix)}  refused: ${reason}`);
  if (layers.length + refused.length === 0) console.error(`no CARAFE layer in ${JSON.stringify(name)}`);
}

function describe(layer: CarafeLayerInfo): string {
  const { prefix, family, channels, outChannels, cMid, kEnc, kUp, scale, groups, activation, assumed } = layer;
  const encoded = groups * kUp ** 2 * scale ** 2;
  return [
    `${place(prefix)}  ${family}`,
    `  x (n, ${channels}, h, w) -> (n, ${outChannels}, ${scale}h, ${scale}w)`,
    `  cMid ${cMid}, encoder (${encoded}, ${cMid}, ${kEnc}, ${kEnc}), kUp ${kUp}, scale ${scale}, groups ${groups}, activation ${activation}`,
    ...assumed.map((what) => `  taken for granted: ${what}`),
  ].join('\n');
}

function place(prefix: string): string {
  return prefix === '' ? '(the whole file)' : prefix;
}
