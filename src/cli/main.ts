#!/usr/bin/env node
// carafe-web: the command line. A command is a file beside this one with `run(args)`; without its name it is `upscale`.
import { readFileSync } from 'node:fs';
import { CarafeError } from '../index.js';
import * as backends from './backends.js';
import * as bench from './bench.js';
import * as convert from './convert.js';
import * as explain from './explain.js';
import * as inspect from './inspect.js';
import * as upscale from './upscale.js';

const COMMANDS: Readonly<Record<string, { run(args: string[]): Promise<void> }>> = {
  upscale,
  backends,
  bench,
  inspect,
  convert,
  explain,
};

async function main([first, ...rest]: string[]): Promise<void> {
  if (first === '--version') return console.log(version());
  if (first !== undefined && Object.hasOwn(COMMANDS, first)) return COMMANDS[first].run(rest);
  return upscale.run(first === undefined ? [] : [first, ...rest]);
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version; // of dist/
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // whoever read has enough
});

main(process.argv.slice(2)).catch((error: Error & { code?: string }) => {
  const usage = error.code === 'InvalidOption' || error.code?.startsWith('ERR_PARSE_ARGS');
  console.error(error instanceof CarafeError || usage ? `${error.code}: ${error.message.split('\n')[0]}` : error);
  process.exitCode = usage ? 2 : 1;
});
