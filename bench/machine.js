// What was measured, where, with what.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { root } from '../scripts/ensure.js';

export function describeRun(command) {
  const git = (...args) => {
    try {
      return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return '';
    }
  };
  const changed = git('status', '--porcelain', '--', 'src', 'assembly', 'shaders', 'models');
  return {
    command,
    date: new Date().toISOString().slice(0, 10),
    package: JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version,
    commit: git('rev-parse', '--short', 'HEAD') + (changed && ' with changes'),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    v8: process.versions.v8,
    load: loadavg()[0].toFixed(1), // processes that want a core, before the run
  };
}
