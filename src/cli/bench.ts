// carafe-web bench: how long a picture takes on this machine, on each backend that runs.
import { parseArgs } from 'node:util';
import { createUpscaler, listBackends } from '../index.js';
import { number, UPSCALER_OPTIONS, UPSCALER_USAGE, upscalerOptions } from './options.js';
import { duration } from './report.js';

export const USAGE = `Usage: carafe-web bench [options]
Enlarges a picture of noise on each backend that runs here (or on the one that is named) and prints the median time.

      --size N           its side in pixels; default 512
      --runs N           default 5
${UPSCALER_USAGE}
      --json             a line of JSON for each backend`;

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...UPSCALER_OPTIONS,
      size: { type: 'string', default: '512' },
      runs: { type: 'string', default: '5' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return console.log(USAGE);
  const size = number('size', values.size, 1, 8192);
  const runs = number('runs', values.runs, 1, 1000);
  const available = (await listBackends()).filter((backend) => backend.available && backend.name !== 'reference');
  for (const backend of values.backend ? [values.backend] : available.map(({ name }) => name)) {
    const upscaler = await createUpscaler(upscalerOptions({ ...values, backend }));
    try {
      const image = noise(size);
      await upscaler.upscale(image); // compiles
      const times: number[] = [];
      for (let i = 0; i < runs; i++) {
        const start = performance.now();
        await upscaler.upscale(image);
        times.push(performance.now() - start);
      }
      const milliseconds = times.sort((a, b) => a - b)[runs >> 1];
      const { model, details, scale, workers } = upscaler.info;
      const megapixels = (size * size * scale ** 2) / 1e3 / milliseconds;
      if (values.json)
        console.log(JSON.stringify({ backend, details, model, scale, workers, size, milliseconds, megapixels }));
      else
        console.log(
          `${backend} (${details})  ${model}  ${size}x${size} -> ${size * scale}x${size * scale}  ${duration(milliseconds)}, ${megapixels.toFixed(2)} megapixels/s (output)`,
        );
    } finally {
      upscaler.dispose();
    }
  }
}

function noise(size: number): { data: Uint8ClampedArray; width: number; height: number } {
  const data = new Uint8ClampedArray(size * size * 4);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = i % 4 === 3 ? 255 : state >>> 24;
  }
  return { data, width: size, height: size };
}
