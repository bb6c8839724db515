// carafe-web convert: a CARAFE layer of a checkpoint as .safetensors or as ONNX; an ONNX model with its CARAFEs replaced.
import { parseArgs } from 'node:util';
import { loadCarafe, saveCarafe } from '../index.js';
import { carafeToOnnx, rewriteCarafe } from '../onnx/index.js';
import { HINT_OPTIONS, hints, isOnnx, readModel } from './checkpoints.js';
import { invalid } from './options.js';
import { planResult, writeResult } from './result.js';
import { verifyModule, verifyRewritten } from './verify-onnx.js';

export const USAGE = `Usage: carafe-web convert FILE [--prefix P] -o X.safetensors
       carafe-web convert FILE --onnx [--prefix P] -o X.onnx
One CARAFE layer of a checkpoint (.pth, .pt, .safetensors), batch norm folded: as .safetensors, which loadCarafe reads, or as an ONNX
model of operators that every runtime has. Or an ONNX model as PyTorch exports it, its CARAFEs (mmcv's operator; nearest, unfold and
einsum) replaced by such operators. ONNX is run in ONNX Runtime on random inputs and compared before it is written: that needs the
package onnxruntime-web.

  -p, --prefix P         which layer, as "carafe-web inspect" names it; needed if there are several
  -o, --output FILE
      --onnx             write ONNX
      --activation NAME  none, relu, leaky-relu, silu or hardswish, where it is not what inspect says
      --eps E            of batch norm, where it is not what inspect says
  -s, --scale N          where the shapes leave it open
      --groups N
      --force            replace the file if it is there
      --quiet

Examples:
  carafe-web convert epoch_12.pth -p neck.upsample_modules.0 -o carafe.safetensors
  carafe-web convert yolo.pt --onnx -p model.11 --eps 1e-3 -o carafe.onnx
  carafe-web convert exported.onnx --onnx -o runs-everywhere.onnx`;

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...HINT_OPTIONS,
      output: { type: 'string', short: 'o' },
      onnx: { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return console.log(USAGE);
  if (positionals.length !== 1) throw invalid('file', 'one file', positionals.join(' '));
  const [name] = positionals;
  const extension = values.onnx ? '.onnx' : '.safetensors';
  const { output = '' } = values;
  if (!output.toLowerCase().endsWith(extension)) {
    const other = output.toLowerCase().endsWith('.onnx') ? ' (--onnx writes ONNX)' : '';
    throw invalid('output', `a name that ends in ${extension}${other}`, output);
  }
  const place = await planResult(output, name, values.force);
  const bytes = await readModel(name);
  const say = (text: string): void => {
    if (!values.quiet) console.log(text);
  };
  if (isOnnx(name)) {
    if (!values.onnx) throw invalid('file', 'a checkpoint, or --onnx with an ONNX model', name);
    const { model, found } = rewriteCarafe(bytes);
    const difference = await verifyRewritten(model, found);
    await writeResult(place, model);
    return say(`${name} -> ${output}  ${found.length} CARAFE replaced; ${compared(difference)}`);
  }
  const loaded = await loadCarafe(bytes, hints(values));
  const { weights, options, family, prefix, assumed } = loaded;
  const layer = `${prefix || 'the whole file'}, ${family}, scale ${options.scale}, kUp ${options.kUp}, groups ${options.groups}, activation ${options.activation}`;
  let seen = '';
  if (values.onnx) {
    const model = carafeToOnnx(weights, options);
    seen = `; ${compared(await verifyModule(model, weights, options))}`;
    await writeResult(place, model);
  } else {
    await writeResult(place, await saveCarafe(loaded));
  }
  say(`${name} -> ${output}  ${layer}${seen}`);
  for (const what of assumed) if (!values.quiet) console.error(`taken for granted: ${what}`);
}

function compared(difference: number): string {
  return `in ONNX Runtime it differs from carafe-web by ${difference.toExponential(1)} of the largest value`;
}
