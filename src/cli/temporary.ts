// Files that must not stay behind: what was read from a pipe, the rasters of a picture, and its result until it is whole. They go when the
// work is done, when it fails, and when the process is told to stop or ends by itself.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, link, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Temporary {
  readonly #folder: string;
  readonly #partials = new Set<string>();
  #count = 0;
  readonly #stop = (signal: NodeJS.Signals): void => {
    this.dispose(); // until then a second Ctrl-C is listened to as well
    process.kill(process.pid, signal); // as if nobody had listened: the shell sees what happened
  };
  readonly #exit = (): void => this.dispose();

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'carafe-web-'));
    for (const signal of SIGNALS) process.on(signal, this.#stop);
    process.on('exit', this.#exit);
  }

  /** A new name in the folder for temporary files (TMPDIR). */
  file(extension = ''): string {
    return join(this.#folder, `${this.#count++}${extension}`);
  }

  /** A new name beside `target`, short whatever the target is called. */
  partial(target: string): string {
    const path = join(dirname(target), `.carafe-web-${randomBytes(6).toString('hex')}`);
    this.#partials.add(path);
    return path;
  }

  /** The finished partial becomes `target`, in one step. @throws {Error} EEXIST if that is there and may not be replaced */
  async place(partial: string, target: string, { mode, replace }: { mode: number; replace: boolean }): Promise<void> {
    await chmod(partial, mode);
    if (!replace) {
      const linked = await link(partial, target).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') throw error;
          return false; // a file system without links; the target was not there when the work began
        },
      );
      if (linked) return this.remove(partial);
    }
    await rename(partial, target);
    this.#partials.delete(partial);
  }

  async remove(...paths: string[]): Promise<void> {
    for (const path of paths) {
      await rm(path, { force: true });
      this.#partials.delete(path);
    }
  }

  dispose(): void {
    for (const path of this.#partials) rmSync(path, { force: true });
    rmSync(this.#folder, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, this.#stop);
    process.off('exit', this.#exit);
  }
}
