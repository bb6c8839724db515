// Options that several commands have.
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type BackendName, CarafeError, type UpscalerOptions } from '../index.js';

export const UPSCALER_OPTIONS = {
  scale: { type: 'string', short: 's' },
  model: { type: 'string', short: 'm' },
  backend: { type: 'string' },
  jobs: { type: 'string', short: 'j' },
  tile: { type: 'string' },
  restore: { type: 'string' },
} as const;

export const UPSCALER_USAGE = `  -s, --scale N          2 (default), 3 or 4
  -m, --model NAME       base (default), tiny, small, large or a .safetensors file
      --restore R        how much of JPEG's artefacts and of noise is removed: 0 (none) to 1; auto (default): by each picture
      --backend NAME     auto (default), wasm, webgpu or reference
  -j, --jobs N           threads that share the work; default one less than the processors, at most 4
      --tile N           side of a tile in pixels; any gives the same picture`;

export type UpscalerValues = { [name in keyof typeof UPSCALER_OPTIONS]?: string };

export function upscalerOptions({ scale, model, backend, jobs, tile, restore }: UpscalerValues): UpscalerOptions {
  const isFile = model?.endsWith('.safetensors') && !/^[a-z]+:\/\//i.test(model);
  if (isFile && !existsSync(model!)) throw invalid('model', 'a file that exists', model!);
  return {
    ...(scale && { scale: number('scale', scale) as 2 }),
    ...(model && { model: isFile ? pathToFileURL(model) : (model as 'base') }),
    ...(backend && { backend: backend as BackendName }),
    ...(jobs && { workers: number('jobs', jobs) }),
    ...(tile && { tile: number('tile', tile) }),
    ...(restore !== undefined && { restore: position(restore) }),
  };
}

/** On the dial. */
function position(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw invalid('restore', 'auto or a number of 0..1', text);
  return value;
}

export function number(name: string, text: string, min = 1, max = 2 ** 31): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid(name, max < 2 ** 31 ? `an integer of ${min}..${max}` : 'a positive integer', text);
  return value;
}

export function invalid(name: string, expectation: string, got: string): CarafeError {
  return new CarafeError('InvalidOption', `Expected ${expectation} for "${name}", got ${JSON.stringify(got)}`);
}
