// The training code still trains: step.cpp against PyTorch's gradients, then 150 small steps on the images of the
// repository. And the cards' commands, which training/repeat.sh runs, lead from nothing to the model.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
const python = '/usr/bin/python3'; // Debian's, which has Debian's torch
const able =
  spawnSync(python, ['-c', 'import torch, numpy, PIL']).status === 0 && spawnSync('g++', ['--version']).status === 0;

test.skipIf(!able)(
  "training, in small: needs Debian's python3-torch, python3-numpy, python3-pil and g++",
  { timeout: 300_000 },
  () => {
    const out = mkdtempSync(join(tmpdir(), 'carafe-training-'));
    try {
      const { status, stdout, stderr } = spawnSync(
        python,
        [
          `${root}training/train.py`,
          '--smoke',
          '--data',
          `${root}test/images`,
          '--data',
          `${root}examples`,
          '--out',
          out,
        ],
        { encoding: 'utf8' },
      );
      expect(status, stderr).toBe(0);
      expect(stdout.match(/step\.cpp equals torch/g)).toHaveLength(3);
      const [first, last] = [...stdout.matchAll(/^step \d+ loss ([\d.]+)/gm)].map((match) => Number(match[1]));
      expect(last).toBeLessThan(first);
    } finally {
      rmSync(out, { recursive: true });
    }
  },
);

const cards = readdirSync(`${root}models`).filter((name) => name.endsWith('.md'));

test.each(cards)('the commands of %s make all that they read, and the model at the end', (card) => {
  const [, block] = /```sh\n(.*?)```/s.exec(readFileSync(`${root}models/${card}`, 'utf8'))!;
  const made = new Set<string>();
  let last = '';
  for (const command of block.trim().split('\n')) {
    const files = (pattern: RegExp): string[] => [...command.matchAll(pattern)].map((match) => match[1]);
    const [, script] = /^python3 (train|average|export|gpu)\.py /.exec(command)!;
    const paths = command
      .replace(/ --.*/, '')
      .split(' ')
      .slice(2)
      .map((path) => path.replace(/=.*/, ''));
    const trains = script === 'train' || script === 'gpu';
    const read = trains
      ? files(/--(?:strong-)?start ((?:[^- ]\S* ?)+)/g).flatMap((list) => list.trim().split(' '))
      : paths.slice(0, -1);
    for (const path of read) expect(made, command).toContain(path);
    last = trains ? `${files(/--out (\S+)/g)[0]}/${script === 'gpu' ? 'ends' : 'checkpoint'}.pt` : paths.at(-1)!;
    made.add(last);
  }
  expect(last).toBe(`../models/${card.replace('.md', '.safetensors')}`);
});
