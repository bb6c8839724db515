// What a fresh machine lacks, brought in once: npm packages, Debian packages (as root), the build. Plain Node: it runs
// before anything is installed.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** What `folder`'s lock file names: installed if npm's own record of what it installed is older. */
export function ensurePackages(folder = root) {
  const installed = modified(join(folder, 'node_modules/.package-lock.json'));
  if (installed >= modified(join(folder, 'package-lock.json')) && installed > 0) return;
  console.error(`Installing the npm packages of ${join(folder, 'package.json')} ...`);
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
}

/** Rebuilds if any input is newer than the last build. */
export function ensureBuild() {
  const inputs = ['src', 'assembly', 'shaders', 'models', 'scripts/build.js', 'package.json', 'asconfig.json'];
  if (modified(join(root, 'dist/.built')) > Math.max(...inputs.map((input) => newest(join(root, input))))) return;
  run(process.execPath, [join(root, 'scripts/build.js')]);
}

/**
 * Programs of Debian packages, by their paths: installed through apt as root, else named. Returns the paths that stay
 * missing, if it can do without.
 */
export function ensureDebian(programs, required = true) {
  const paths = Object.keys(programs).filter((path) => !existsSync(path));
  const missing = paths.map((path) => programs[path]);
  if (missing.length === 0) return [];
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.error(`Missing: ${missing.join(', ')}. Install with: sudo apt-get install ${missing.join(' ')}`);
    if (required) process.exit(1);
    return paths;
  }
  console.log(`Installing ${missing.join(', ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
  return [];
}

export function run(command, args, options = {}) {
  execFileSync(command, args, { cwd: root, stdio: 'inherit', ...options });
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}
