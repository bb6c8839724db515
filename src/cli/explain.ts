// carafe-web explain: why a pixel of the enlargement is as it is. The weights of the source's pixels beside bicubic's, as a picture.
import { parseArgs } from 'node:util';
import { createUpscaler, type PixelExplanation, type RgbaPixels } from '../index.js';
import { loadCodec } from './codec.js';
import { decode } from './decode.js';
import { MARGIN, Strips } from './enlarge.js';
import { FORMATS, formatOfPath } from './formats.js';
import { readHeader, tablesOf } from './header.js';
import { invalid, number, upscalerOptions } from './options.js';
import { Raster } from './raster.js';
import { planResult, writeResult } from './result.js';
import { openSource } from './sources.js';
import { Temporary } from './temporary.js';
import { upright } from './upright.js';

export const USAGE = `Usage: carafe-web explain photo --at X,Y [-o heat.png]
With which weights the pixels of the photograph make the pixel (X, Y) of its enlargement: a picture of three fields, the source there,
the network's weights and bicubic's; green adds, magenta subtracts, white is the largest weight of both.

      --at X,Y           a pixel of the enlargement, from the left and from the top
  -o, --output FILE      ${Object.keys(FORMATS).join(', ')} by its extension
  -s, --scale N          2 (default), 3 or 4
  -m, --model NAME       as of carafe-web upscale; default base
      --restore POSITION auto (default) or 0..1: how much is taken for compression and noise
      --force            replace the file if it is there
      --json             the numbers

Example:
  carafe-web explain photo.jpg --at 400,250 -o heat.png`;

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      at: { type: 'string', default: '' },
      output: { type: 'string', short: 'o' },
      scale: { type: 'string', short: 's' },
      model: { type: 'string', short: 'm' },
      restore: { type: 'string', default: 'auto' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return console.log(USAGE);
  if (positionals.length !== 1) throw invalid('photo', 'one picture', positionals.join(' '));
  const [name] = positionals;
  const point = values.at.match(/^(\d+),(\d+)$/);
  if (!point) throw invalid('at', 'two integers, X,Y', values.at);
  const [x, y] = point.slice(1).map(Number);
  const { output } = values;
  const format = output === undefined ? undefined : formatOfPath(output);
  if (output !== undefined && !format)
    throw invalid('output', `a name that ends in the extension of ${Object.keys(FORMATS).join(', ')}`, output);
  const codec = await loadCodec();
  const place = output === undefined ? undefined : await planResult(output, name, values.force);
  const temporary = new Temporary();
  const source = await openSource(name, temporary);
  const header = await readHeader(codec, source);
  const upscaler = await createUpscaler({ ...upscalerOptions(values), thread: 'inline', backend: 'reference' });
  try {
    const { scale, model } = upscaler.info;
    number('at', String(x), 0, header.width * scale - 1);
    number('at', String(y), 0, header.height * scale - 1);
    const path = temporary.file('.v');
    await decode(codec, source, header, path);
    const raster = Raster.open(path);
    const row = Math.floor(y / scale);
    const top = Math.max(0, row - MARGIN);
    const rows = Math.min(header.height, row + MARGIN + 1) - top;
    const strip = new Strips(upright(raster, header), rows).cut(top, rows);
    raster.close();
    const file = await tablesOf(source, header);
    const restore = values.restore === 'auto' ? 'auto' : Number(values.restore);
    const why = await upscaler.explain(strip, x, y - top * scale, { restore, file });
    const shown = { ...why, y: why.y + top };
    if (place) {
      const { data, width, height } = draw(strip, why);
      const picture = codec(data, { raw: { width, height, channels: 3 } });
      await writeResult(place, await picture.toFormat(format!).toBuffer());
    }
    if (values.json)
      console.log(
        JSON.stringify(shown, (_, value) => (ArrayBuffer.isView(value) ? [...(value as Float32Array)] : value)),
      );
    else console.log(`${name} (${x}, ${y}) by ${model}${place ? ` -> ${place.name}` : ''}\n${describe(shown)}`);
  } finally {
    temporary.dispose();
    upscaler.dispose();
  }
}

function describe({ x, y, width, height, luma, weights, constant, value, bicubic }: PixelExplanation): string {
  const sum = (factor: Float32Array): number => weights.reduce((total, w, i) => total + w * factor[i], 0);
  const ones = new Float32Array(weights.length).fill(1);
  const seen = bicubic.reduce((total, w, i) => total + w * luma[i], 0);
  const heaviest = [...weights.keys()].sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a])).slice(0, 5);
  const at = (i: number): string => `(${x + (i % width)}, ${y + Math.floor(i / width)}) ${weights[i].toFixed(3)}`;
  return `  window       ${width}x${height} source pixels from (${x}, ${y})
  luma         ${(255 * value).toFixed(2)} of 255 = weights times pixels ${(255 * sum(luma)).toFixed(2)} + constant ${(255 * constant).toFixed(2)}; bicubic ${(255 * seen).toFixed(2)}
  weights      add up to ${sum(ones).toFixed(3)}; the heaviest: ${heaviest.map(at).join(', ')}`;
}

const CELL = 16; // pixels a side of a source pixel
const GAP = 1; // cells between fields

/** The source, the network's weights and bicubic's, side by side. */
function draw(image: RgbaPixels, why: PixelExplanation): { data: Buffer; width: number; height: number } {
  const { x, y, width, height, weights, bicubic } = why;
  const largest = [...weights, ...bicubic].reduce((max, w) => Math.max(max, Math.abs(w)), 0);
  const heat = (w: number): readonly number[] => {
    const part = Math.sqrt(Math.abs(w) / largest); // so that small weights are seen
    const [a, b] = [Math.min(1, 1.5 * part), Math.max(0, 3 * part - 2)].map((v) => Math.round(255 * v));
    return w >= 0 ? [b, a, b] : [a, b, a];
  };
  const colourOf = (i: number): readonly number[] => {
    const at = 4 * ((y + Math.floor(i / width)) * image.width + x + (i % width));
    return [...image.data.subarray(at, at + 3)];
  };
  const fields = [colourOf, (i: number) => heat(weights[i]), (i: number) => heat(bicubic[i])];
  const full = { width: (fields.length * (width + GAP) - GAP) * CELL, height: height * CELL };
  const data = Buffer.alloc(full.width * full.height * 3, 64);
  fields.forEach((field, f) => {
    for (let i = 0; i < width * height; i++) {
      const colour = field(i);
      const left = (f * (width + GAP) + (i % width)) * CELL;
      for (let row = 0; row < CELL; row++) {
        const line = (Math.floor(i / width) * CELL + row) * full.width;
        for (let column = 0; column < CELL; column++) data.set(colour, 3 * (line + left + column));
      }
    }
  });
  return { data, ...full };
}
