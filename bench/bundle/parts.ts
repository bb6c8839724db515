// What a part is: something to run in a process of its own, with a time limit, whose results are on disk as soon as they are there.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Features {
  readonly f16: boolean;
}

export interface Context {
  /** Shapes that a software adapter computes in seconds. */
  readonly small: boolean;
  /** Less of everything, for a card that is at hand for a minute. */
  readonly brief: boolean;
  /** A file of the bundle. */
  read(path: string): Uint8Array<ArrayBuffer>;
  /** A result: a row of a table. */
  put(table: string, row: Row): void;
  /** Something is wrong: what exactly. The part goes on. */
  fail(what: string): void;
  note(what: string): void;
}

export type Row = Readonly<Record<string, unknown>>;

export interface Part {
  readonly name: string;
  /** Seconds after which it is killed. */
  readonly limit: number;
  /** May run beside others: nothing in it is timed. */
  readonly untimed?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  run(context: Context): Promise<void>;
}

/** What a part leaves on disk. `seconds` is there once it has ended by itself. */
export interface PartResult {
  readonly part: string;
  readonly seconds?: number;
  readonly failures: readonly string[];
  readonly notes: readonly string[];
  readonly tables: Readonly<Record<string, readonly Row[]>>;
}

export type Size = Pick<Context, 'small' | 'brief'>;

export async function runPart({ name, run }: Part, folder: string, file: string, size: Size): Promise<boolean> {
  const started = performance.now();
  const failures: string[] = [];
  const notes: string[] = [];
  const tables: Record<string, Row[]> = {};
  const write = (seconds?: number): void =>
    writeFileSync(file, JSON.stringify({ part: name, seconds, failures, notes, tables } satisfies PartResult));
  write();
  try {
    await run({
      ...size,
      read: (path) => new Uint8Array(readFileSync(join(folder, path))),
      put(table, row) {
        (tables[table] ??= []).push(row);
        write();
      },
      fail(what) {
        console.log(`FAILED ${what}`);
        failures.push(what);
        write();
      },
      note(what) {
        console.log(what);
        notes.push(what);
        write();
      },
    });
  } catch (error) {
    failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    console.log(`FAILED ${failures.at(-1)}`);
  }
  write((performance.now() - started) / 1000);
  return failures.length === 0;
}

/** What fails in here does not stop what comes after. */
export async function attempt({ fail }: Context, what: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    fail(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds of each call, after two to warm up (one, if that took long): as many as fill `ms`, at least `minCalls`. */
export async function timeCalls(
  body: () => Promise<unknown>,
  { ms = 700, minCalls = 3, maxCalls = 200 } = {},
): Promise<number[]> {
  const once = async (): Promise<number> => {
    const before = performance.now();
    await body();
    return performance.now() - before;
  };
  if ((await once()) < ms) await once();
  const times: number[] = [];
  const started = performance.now();
  while (times.length < minCalls || (times.length < maxCalls && performance.now() - started < ms))
    times.push(await once());
  return times;
}
