// An example in a fresh folder, with the packed tarball and its other packages in its node_modules.
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Tarball } from './tarball.js';

const root = new URL('../..', import.meta.url).pathname;

export function example(tarball: Tarball, name: string): string {
  const folder = tarball.app(name);
  cpSync(join(root, 'examples', name), folder, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const one of Object.keys(dependencies).filter((dependency) => dependency !== 'carafe-web')) {
    const places = [root, join(root, 'test/dist/apps')].map((parent) => join(parent, 'node_modules', one));
    const place = places.find((path) => existsSync(path));
    if (!place) throw new Error(`${one} is not installed`);
    mkdirSync(dirname(join(folder, 'node_modules', one)), { recursive: true });
    symlinkSync(place, join(folder, 'node_modules', one));
  }
  return folder;
}
