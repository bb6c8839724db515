// npm start -- [photo] [options]: installs what is missing, builds, and runs the command line; without a photo, on the sample that ships.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuild, ensurePackages, root } from './ensure.js';

ensurePackages();
ensureBuild();
const args = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [join(root, 'dist/cli.js'), ...(args.length > 0 ? args : [join(root, 'examples/sample.jpg'), '--force'])],
  {
    stdio: 'inherit',
    cwd: process.env.INIT_CWD ?? process.cwd(), // paths are relative to where npm was called
  },
);
process.exit(status ?? 1);
