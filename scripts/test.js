// npm test: installs what is missing, builds, checks types and runs every test. Arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuild, ensureDebian, ensurePackages, root, run } from './ensure.js';

ensurePackages();
ensureDebian({ '/usr/bin/chromium': 'chromium' }); // also brings SwiftShader, the software GPU that Node's WebGPU tests run on
// CI asks for all; elsewhere what cannot be is named, and not tested
const firefox = '/usr/bin/firefox-esr';
const redis = '/usr/bin/redis-server'; // for examples/queue
const lavapipe = '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json'; // the software GPU of Deno's and Firefox's WebGPU
const missing = ensureDebian(
  {
    [firefox]: 'firefox-esr',
    [redis]: 'redis-server',
    [lavapipe]: 'mesa-vulkan-drivers',
    '/usr/bin/WebKitWebDriver': 'webkit2gtk-driver',
    '/usr/bin/xvfb-run': 'xvfb', // a display for WebKit
    '/usr/bin/xauth': 'xauth',
  },
  Boolean(process.env.CI),
);
const NEEDS = {
  [firefox]: ['test/conformance/firefox.test.ts', 'test/demo/demo.test.ts'],
  [redis]: ['test/dist/queue.test.ts'],
  [lavapipe]: ['test/conformance/deno.test.ts', 'test/conformance/firefox.test.ts'],
};
const excluded = missing.flatMap((path) => NEEDS[path] ?? []).map((file) => `--exclude=${file}`);
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
const { status } = spawnSync('npx', ['--no-install', 'vitest', 'run', ...excluded, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
