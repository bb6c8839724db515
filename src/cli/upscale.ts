// carafe-web [upscale]: pictures -> the same, larger. Plans all files first, then works on two at a time: one is decoded or encoded while
// the other is computed.
import { createReadStream, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { CarafeError, createUpscaler, type Restore, type Upscaler } from '../index.js';
import { type Codec, loadCodec, reason } from './codec.js';
import { decode } from './decode.js';
import { type Encoding, encode } from './encode.js';
import { enlarge } from './enlarge.js';
import { FORMAT_NAMES, type FormatName, formatOfPath } from './formats.js';
import { invalid, number, UPSCALER_OPTIONS, UPSCALER_USAGE, upscalerOptions } from './options.js';
import { type Job, plan, refused, STDOUT } from './plan.js';
import { tablesOf } from './header.js';
import { Raster } from './raster.js';
import { Report } from './report.js';
import { findSources, STDIN } from './sources.js';
import { Temporary } from './temporary.js';
import { upright } from './upright.js';

export const USAGE = `Usage: carafe-web [upscale] [options] picture|folder|glob|- ...
Writes photo@2x.jpg beside each photo.jpg. EXIF, colour profile, resolution, 16 bits, grey, transparency and frames are kept where
the format has them. A picture that fails is named, and the others are done; the exit code is 1 then, and 2 for wrong options.

  -o, --output PLACE     a file (for one picture), a folder (made if its name ends in /), or - for standard output
  -f, --format NAME      same (default), ${FORMAT_NAMES.join(', ')}
  -q, --quality N        1..100 of JPEG and WebP (default 90) and AVIF (65)
${UPSCALER_USAGE}
      --background COLOUR  what comes below transparent parts; JPEG: white
      --strip            leave EXIF, XMP and IPTC out; the colour profile stays
  -r, --recursive        folders in folders too; into a folder they keep their places
      --skip-existing    leave results alone that are there (goes on with a folder that was interrupted)
      --force            replace them
      --json             a line of JSON for each picture
      --quiet            print failures only
  -h, --help             this text
      --version

Examples:
  carafe-web photo.jpg                                photo@2x.jpg
  carafe-web -s 4 -m large -o big.png logo.png        four times as large, with the best model
  carafe-web -r --skip-existing -o large/ holidays/   a folder; start it again to go on
  carafe-web -f webp -q 85 '*.png'
  curl -s https://example.com/a.jpg | carafe-web - > a@2x.jpg

Other commands, each with --help: backends, bench (this machine); explain (why a pixel is as it is); inspect and convert
(CARAFE layers in checkpoints of PyTorch).`;

const AT_ONCE = 2;

const OPTIONS = {
  ...UPSCALER_OPTIONS,
  output: { type: 'string', short: 'o' },
  format: { type: 'string', short: 'f', default: 'same' },
  quality: { type: 'string', short: 'q' },
  background: { type: 'string' },
  strip: { type: 'boolean', default: false },
  recursive: { type: 'boolean', short: 'r', default: false },
  'skip-existing': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parse>['values'];

const parse = (args: string[]) => parseArgs({ args, allowPositionals: true, options: OPTIONS });

export async function run(args: string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help || positionals.length === 0) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const codec = await loadCodec();
  const isFolder = values.output !== undefined && isFolderName(values.output);
  const encoding = checkEncoding(codec, values, isFolder);
  const found = await findSources(positionals, {
    recursive: values.recursive,
    ...(isFolder && { except: resolve(values.output!) }),
  });
  checkOne(
    values.output,
    isFolder,
    found.map(({ name }) => name),
  );
  const upscaler = await createUpscaler(upscalerOptions(values));
  const report = new Report({
    json: values.json,
    quiet: values.quiet,
    lines:
      values.output === STDOUT || (values.output === undefined && found[0].name === STDIN)
        ? process.stderr
        : process.stdout,
  });
  const temporary = new Temporary();
  try {
    const { scale } = upscaler.info;
    const { jobs, skipped, failed } = await plan(codec, temporary, found, {
      to: values.output,
      isFolder,
      format: encoding.format,
      exists: values.force ? 'replace' : values['skip-existing'] ? 'skip' : 'refuse',
      scale,
    });
    for (const { source, target } of skipped) report.skipped(source, target);
    for (const { source, error } of failed) report.failed(source, error);
    report.expect(
      jobs.length + failed.length,
      jobs.reduce((sum, { header }) => sum + header.width * header.height * header.pages, 0),
    );
    const waiting = [...jobs];
    const tools = { codec, upscaler, temporary, report, decodeNext: inTurn() };
    const work = async (): Promise<void> => {
      for (let job = waiting.shift(); job; job = waiting.shift()) await upscaleFile(tools, job, encoding, values.force);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    report.finish(upscaler);
    if (report.failures > 0) process.exitCode = 1;
  } finally {
    temporary.dispose();
    upscaler.dispose();
  }
}

interface Tools {
  readonly codec: Codec;
  readonly upscaler: Upscaler;
  readonly temporary: Temporary;
  readonly report: Report;
  /** One file is decoded at a time: libvips does not say which of several it warns of. */
  readonly decodeNext: ReturnType<typeof inTurn>;
}

/** A failure is reported; it does not end the others. */
async function upscaleFile(
  { codec, upscaler, temporary, report, decodeNext }: Tools,
  { source, header, target, notes }: Job,
  options: Omit<Encoding, 'format'>,
  replace: boolean,
): Promise<void> {
  const started = performance.now();
  const { scale } = upscaler.info;
  const { width, height, pages } = header;
  const made: string[] = [];
  const newFile = (path = temporary.file('.v')): string => {
    made.push(path);
    return path;
  };
  let told = 0;
  const advance = (pixels: number): void => {
    told += pixels;
    report.advance(pixels);
  };
  try {
    const decoded = newFile();
    const warnings = await decodeNext(() => decode(codec, source, header, decoded));
    const stored = Raster.open(decoded);
    const from = upright(stored, header);
    const to = stored.enlarged(newFile, from, pages, scale);
    let restore: Restore;
    try {
      restore = await enlarge(upscaler, from, to, pages, { file: await tablesOf(source, header), done: advance });
    } finally {
      stored.close();
      to.close();
    }
    await temporary.remove(decoded);
    const partial = newFile(target.path === STDOUT ? temporary.file() : temporary.partial(target.path));
    await encode(codec, to, header, { ...options, format: target.format }, partial);
    if (target.path === STDOUT) await pipeline(createReadStream(partial), process.stdout, { end: false });
    else await temporary.place(partial, target.path, { mode: target.mode, replace });
    report.done({
      source: source.name,
      target: target.name,
      width,
      height: height * pages,
      scale,
      milliseconds: performance.now() - started,
      restore,
      notes: [...notes, ...warnings],
    });
  } catch (error) {
    advance(width * height * pages - told); // so that the others' time stays right
    const why = made.reduce((text, path) => text.replace(`${path}: `, ''), reason(error));
    report.failed(source.name, error instanceof CarafeError ? error : refused(target.name, why));
  } finally {
    await temporary.remove(...made);
  }
}

/** Runs what it is given one after another. */
function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };
}

function isFolderName(path: string): boolean {
  return (
    path !== STDOUT && (/[/\\]$/.test(path) || (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false))
  );
}

/** @throws {CarafeError} InvalidOption */
function checkEncoding(
  codec: Codec,
  { output, format, quality, background, strip, force, 'skip-existing': skip }: Values,
  isFolder: boolean,
): { format: FormatName | 'same' } & Omit<Encoding, 'format'> {
  if (format !== 'same' && !FORMAT_NAMES.includes(format as FormatName))
    throw invalid('format', `same, ${FORMAT_NAMES.join(', ')}`, format);
  if (force && skip) throw invalid('force', 'one of --force and --skip-existing', 'both');
  if (output !== undefined && output !== STDOUT && !isFolder) {
    const byName = formatOfPath(output);
    if (!byName) throw invalid('output', `a name that ends in the extension of ${FORMAT_NAMES.join(', ')}`, output);
    if (format !== 'same' && format !== byName) throw invalid('format', `${byName}, as "${output}" says`, format);
  }
  try {
    if (background !== undefined) codec({ create: { width: 1, height: 1, channels: 4, background } });
  } catch {
    throw invalid('background', 'a colour (white, #rrggbb)', background!);
  }
  return {
    format: format as FormatName | 'same',
    strip,
    ...(quality !== undefined && { quality: number('quality', quality, 1, 100) }),
    ...(background !== undefined && { background }),
  };
}

/** @throws {CarafeError} InvalidOption for several pictures in one file */
function checkOne(output: string | undefined, isFolder: boolean, names: readonly string[]): void {
  if (names.length === 1) return;
  if (output !== undefined && !isFolder)
    throw invalid('output', `a folder (its name ends in /) for ${names.length} pictures`, output);
  if (output === undefined && names.includes(STDIN))
    throw invalid('output', 'a folder for - and other pictures', 'none');
}
