// The training code still trains: step.cpp against PyTorch's gradients, then 150 small steps on the images of the repository.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const python = '/usr/bin/python3'; // Debian's, which has Debian's torch
const able = spawnSync(python, ['-c', 'import torch, numpy, PIL']).status === 0 && spawnSync('g++', ['--version']).status === 0;

test.skipIf(!able)('training, in small: needs Debian\'s python3-torch, python3-numpy, python3-pil and g++', { timeout: 300_000 }, () => {
  const root = new URL('..', import.meta.url).pathname;
  const out = mkdtempSync(join(tmpdir(), 'carafe-training-'));
  try {
    const { status, stdout, stderr } = spawnSync(python, [`${root}training/train.py`, '--smoke', '--data', `${root}test/images`, '--data', `${root}examples`, '--out', out], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(stdout.match(/step\.cpp equals torch/g)).toHaveLength(3);
    const [first, last] = [...stdout.matchAll(/^step \d+ loss ([\d.]+)/gm)].map((match) => Number(match[1]));
    expect(last).toBeLessThan(first);
  } finally {
    rmSync(out, { recursive: true });
  }
});
