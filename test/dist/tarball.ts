// The package as npm would publish it, unpacked into the node_modules of apps in a fresh folder outside the repository.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../..', import.meta.url).pathname;

export interface Tarball {
  /** The .tgz file. */
  readonly file: string;
  /** A fresh folder; removed by `remove`. */
  readonly folder: string;
  /** Makes `folder/name` with the package in its node_modules, and returns its path. */
  app(name: string): string;
  remove(): void;
}

/** `dist` has to be built: npm's prepack would build it again. */
export function pack(): Tarball {
  const folder = mkdtempSync(join(tmpdir(), 'carafe-web-packed-'));
  const name = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
  const file = join(folder, name);
  return {
    file,
    folder,
    app(name) {
      const installed = join(folder, name, 'node_modules/carafe-web');
      mkdirSync(installed, { recursive: true });
      execFileSync('tar', ['-xzf', file, '--strip-components=1', '-C', installed]);
      return join(folder, name);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
