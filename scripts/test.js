// npm test: installs what is missing, builds, checks types and runs every test. Arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuild, ensureDebian, ensurePackages, root, run } from './ensure.js';

ensurePackages();
ensureDebian({
  '/usr/bin/chromium': 'chromium', // also brings SwiftShader, the software GPU that Node's WebGPU tests run on
  '/usr/bin/firefox-esr': 'firefox-esr',
  '/usr/bin/redis-server': 'redis-server', // for examples/queue
  '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json': 'mesa-vulkan-drivers', // lavapipe, the one that Deno's and Firefox's run on
});
if (process.env.CI) {
  // who only changes the package need not install torch: the training test is skipped without it
  const python = '/usr/lib/python3/dist-packages';
  ensureDebian({
    [`${python}/torch`]: 'python3-torch',
    [`${python}/numpy`]: 'python3-numpy',
    [`${python}/PIL`]: 'python3-pil',
    '/usr/bin/g++': 'g++',
  });
}
// once, before files that need them run side by side
if (!process.argv[2] || process.argv.slice(2).some((name) => name.includes('dist')))
  ensurePackages(join(root, 'test/dist/apps'));
ensureBuild();
run('npm', ['run', '--silent', 'check']);
const { status } = spawnSync('npx', ['--no-install', 'vitest', 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
