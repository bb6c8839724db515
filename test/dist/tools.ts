// The programs of test/dist/apps and of the repository that tests start.
import { existsSync } from 'node:fs';

/** Where ensurePackages() of scripts/ensure.js installs them. */
export const TOOLS = new URL('./apps', import.meta.url).pathname;

export const tool = (path: string): string => `${TOOLS}/node_modules/${path}`;

export const DENO = new URL('../../node_modules/.bin/deno', import.meta.url).pathname;

/** npm may or may not run the package's script, which moves the program. */
export const bun = (): string =>
  ['@oven/bun-linux-x64/bin/bun', 'bun/bin/bun.exe'].map(tool).find((path) => existsSync(path)) ?? tool('bun');
