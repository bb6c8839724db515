// What a request asks for: `?scale=2&model=small&restore=auto&format=webp&quality=85`. Whatever it does not know is refused.
import { expected } from '../core/errors.js';
import type { Format } from './header.js';
import { HttpError } from './http.js';

export interface Wanted {
  /** A name of the handler's models. */
  readonly model: string;
  readonly scale: number;
  readonly restore: number | 'auto' | undefined;
  /** undefined: the picture's own. */
  readonly format: Format | undefined;
  readonly quality: number;
}

const FORMATS: Readonly<Record<string, Format>> = { png: 'png', jpg: 'jpeg', jpeg: 'jpeg', webp: 'webp', avif: 'avif' };
const NAMES = ['scale', 'model', 'restore', 'format', 'quality', 'url'];

/** @param models Such as 'small-x2'; the first is the default. @throws {HttpError} 400 */
export function readQuery(query: URLSearchParams, models: readonly string[]): Wanted {
  const invalid = (name: string, expectation: string): HttpError =>
    new HttpError(
      400,
      'InvalidOption',
      `Expected ${expectation} for "${name}", got ${JSON.stringify(query.get(name))}`,
    );
  for (const name of query.keys()) {
    if (!NAMES.includes(name))
      throw new HttpError(400, 'InvalidOption', `Expected ${NAMES.join(', ')}, got ${JSON.stringify(name)}`);
    if (query.getAll(name).length > 1) throw new HttpError(400, 'InvalidOption', `Expected "${name}" once, got more`);
  }

  const known = models.map(parts);
  const name = query.get('model') ?? known[0].name;
  const scales = known.filter((one) => one.name === name).map(({ scale }) => scale);
  if (scales.length === 0) throw invalid('model', [...new Set(known.map((one) => one.name))].join(', '));
  const scale = Number(query.get('scale') ?? scales[0]);
  if (!scales.includes(scale)) throw invalid('scale', scales.join(', '));

  const given = query.get('restore');
  const restore = given === null ? undefined : given === 'auto' ? given : given === '' ? Number.NaN : Number(given);
  if (typeof restore === 'number' && !(restore >= 0 && restore <= 1))
    throw invalid('restore', '"auto" or a number of 0..1');
  const format = query.get('format') ?? undefined;
  if (format !== undefined && !Object.hasOwn(FORMATS, format)) throw invalid('format', Object.keys(FORMATS).join(', '));
  const quality = Number(query.get('quality') ?? 85);
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) throw invalid('quality', 'an integer of 1..100');
  return {
    model: `${name}-x${scale}`,
    scale,
    restore,
    format: format === undefined ? undefined : FORMATS[format],
    quality,
  };
}

/** @throws {CarafeError} InvalidOption: the app's mistake */
function parts(model: string): { name: string; scale: number } {
  const [, name, scale] = /^(.+)-x(\d)$/.exec(model) ?? [];
  if (!name) throw expected('InvalidOption', 'models', 'names such as "small-x2"', model);
  return { name, scale: Number(scale) };
}
