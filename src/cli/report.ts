// What the user sees: a line for each file, a progress line while a terminal watches, the sum of it; or the same as JSON, a line for each file.
import { CarafeError, type Restore, type Upscaler } from '../index.js';

export interface Done {
  readonly source: string;
  readonly target: string;
  readonly width: number;
  readonly height: number;
  readonly scale: number;
  readonly milliseconds: number;
  readonly restore: Restore;
  readonly notes: readonly string[];
}

export interface ReportOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Where lines go: standard output, unless a picture goes there. */
  readonly lines: NodeJS.WritableStream;
}

const PERIOD = 100; // ms between two progress lines

export class Report {
  readonly #options: ReportOptions;
  #started = performance.now();
  readonly #live: boolean;
  #files = 0;
  #pixels = 0;
  #donePixels = 0;
  #shown = 0;
  readonly #counts = { done: 0, failed: 0, skipped: 0 };
  #written = 0; // pixels of results

  constructor(options: ReportOptions) {
    this.#options = options;
    this.#live = Boolean(process.stderr.isTTY) && !options.quiet && !options.json;
  }

  get failures(): number {
    return this.#counts.failed;
  }

  /** Files and pixels to come. */
  expect(files: number, pixels: number): void {
    this.#started = performance.now();
    this.#files = files;
    this.#pixels = pixels;
  }

  advance(pixels: number): void {
    this.#donePixels += pixels;
    if (!this.#live || performance.now() - this.#shown < PERIOD) return;
    this.#shown = performance.now();
    const part = Math.min(1, this.#donePixels / this.#pixels);
    const left = ((this.#shown - this.#started) * (1 - part)) / part;
    const file = Math.min(this.#counts.done + this.#counts.failed + 1, this.#files);
    process.stderr.write(`\r\x1b[K${file}/${this.#files} files, ${Math.floor(part * 100)} %, ${duration(left)} left`);
  }

  done({ source, target, width, height, scale, milliseconds, restore, notes }: Done): void {
    this.#counts.done++;
    this.#written += width * height * scale ** 2;
    const size = { width: width * scale, height: height * scale };
    const time = Math.round(milliseconds);
    this.#line(
      `${source} -> ${target}  ${width}x${height} -> ${size.width}x${size.height}  ${duration(milliseconds)}  restore ${restore.value} (${restore.reason})`,
      { status: 'done', source, target, ...size, milliseconds: time, restore, notes },
    );
    for (const note of notes) this.#warn(`${source}: ${note}`);
  }

  skipped(source: string, target: string): void {
    this.#counts.skipped++;
    this.#line(`${source}: skipped, ${target} exists`, { status: 'skipped', source, target });
  }

  failed(source: string, error: unknown): void {
    this.#counts.failed++;
    const { code, message } = error as CarafeError;
    const text = error instanceof CarafeError ? `${code}: ${message}` : `${(error as Error).stack}`;
    this.#clear();
    if (this.#options.json) this.#write({ status: 'failed', source, code: code ?? 'Unknown', message });
    else process.stderr.write(`${text}\n`);
  }

  /** The sum, of what ran on which backend. */
  finish({ info }: Upscaler): void {
    this.#clear();
    const { json, quiet, lines } = this.#options;
    if (json || quiet) return;
    const { done, failed, skipped } = this.#counts;
    if (done > 0) {
      const milliseconds = performance.now() - this.#started;
      const threads = info.thread === 'worker' ? `${info.workers} worker${info.workers > 1 ? 's' : ''}` : 'inline';
      lines.write(`  backend      ${info.backend} (${info.details}), ${threads}
  model        ${info.model}
  time         ${duration(milliseconds)}, ${(this.#written / 1e3 / milliseconds).toFixed(2)} megapixels/s (output)
  peak memory  ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB
`);
    }
    if (done + failed + skipped > 1)
      lines.write(`${done} done${skipped ? `, ${skipped} skipped` : ''}${failed ? `, ${failed} failed` : ''}\n`);
  }

  #line(text: string, record: object): void {
    this.#clear();
    if (this.#options.json) this.#write(record);
    else if (!this.#options.quiet) this.#options.lines.write(`${text}\n`);
  }

  #write(record: object): void {
    this.#options.lines.write(`${JSON.stringify(record)}\n`);
  }

  #warn(text: string): void {
    if (!this.#options.quiet && !this.#options.json) process.stderr.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#live) process.stderr.write('\r\x1b[K');
  }
}

/** 420 ms, 12 s, 3 min 20 s. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 10000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
