"""The weighted mean of checkpoints' weights, as a checkpoint: runs that begin from one another's ends lie in one valley, and their mean
keeps what a later run on other shares of the data had lost.

  python3 average.py run/a/checkpoint.pt=0.4 run/b/checkpoint.pt=0.6 OUT.pt

Of an ends.pt of gpu.py, with one network in it, the strong end counts, or with `--end clean` the clean one; a .safetensors is its clean end.
"""
import argparse

import torch

import weights
from carafe_luma import load_model

arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arg.add_argument('parts', nargs='+', metavar='CHECKPOINT=SHARE')
arg.add_argument('out')
arg.add_argument('--end', choices=('clean', 'strong'), default='strong')
o = arg.parse_args()


def load(path):
    if path.endswith('.safetensors'):
        model, config = load_model(path)
        return {'config': config, 'step': weights.load(path)[1]['steps'], 'ema': model}
    saved = torch.load(path)
    if 'ema' in saved:
        return saved
    (network,) = saved.values()
    end = network['ends'][o.end]
    return {'config': network['config'], 'step': end['steps'], 'ema': end['weights']}


pairs = [part.rsplit('=', 1) for part in o.parts]
checkpoints = [load(path) for path, _ in pairs]
shares = [float(share) for _, share in pairs]
assert abs(sum(shares) - 1) < 1e-6 and all(one['config'] == checkpoints[0]['config'] for one in checkpoints)
torch.save({**{key: checkpoints[-1][key] for key in ('config', 'step')}, 'ema': {key: sum(share * one['ema'][key] for share, one in zip(shares, checkpoints)) for key in checkpoints[0]['ema']}}, o.out)
