// Installs what is compared with, when it is compared with: bench/peers has a package.json and a lock file of its own.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../scripts/ensure.js';

const folder = import.meta.dirname;

export function ensurePeers() {
  const installed = join(folder, 'node_modules/.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(folder, 'package-lock.json')).mtimeMs)
    return;
  console.error('Installing the runtimes to compare with ...');
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' }; // the CPU part comes with the package; CUDA would be downloaded
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, env, stdio: ['ignore', 2, 2] });
}

/** Node 24 (V8 13.6, relaxed SIMD on by default), from npm's package `node`. */
export const node24 = join(folder, 'node_modules/node/bin/node');
