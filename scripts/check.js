// npm run check: types, then format and lint. The signatures of the kernels and the package's own types are in the build.
import { ensureBuild, ensurePackages, run } from './ensure.js';

ensurePackages();
ensureBuild();
run('npx', ['--no-install', 'tsc', '--noEmit']);
run('npx', ['--no-install', 'tsc', '--noEmit', '-p', 'bench']); // bench, scripts
run('npx', ['--no-install', 'biome', 'check', '--error-on-warnings', '.']);
