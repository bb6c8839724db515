"""The weighted mean of checkpoints' weights, as a checkpoint: runs that begin from one another's ends lie in one valley, and their mean
keeps what a later run on other shares of the data had lost.

  python3 average.py run/a/checkpoint.pt=0.4 run/b/checkpoint.pt=0.6 OUT.pt

An ends.pt of gpu.py, with one network in it, counts as its strong end.
"""
import sys

import torch


def load(path):
    saved = torch.load(path)
    if 'ema' in saved:
        return saved
    (network,) = saved.values()
    strong = network['ends']['strong']
    return {'config': network['config'], 'step': strong['steps'], 'ema': strong['weights']}


*parts, out = sys.argv[1:]
pairs = [part.rsplit('=', 1) for part in parts]
checkpoints = [load(path) for path, _ in pairs]
shares = [float(share) for _, share in pairs]
assert abs(sum(shares) - 1) < 1e-6 and all(one['config'] == checkpoints[0]['config'] for one in checkpoints)
torch.save({**{key: checkpoints[-1][key] for key in ('config', 'step')}, 'ema': {key: sum(share * one['ema'][key] for share, one in zip(shares, checkpoints)) for key in checkpoints[0]['ema']}}, out)
