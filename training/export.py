"""Checkpoint -> models/<name>.safetensors: EMA weights in fp16 and, where there is a strong end, what it adds to each.

  python3 export.py CHECKPOINT OUT --name base-x2 [--strong CHECKPOINT]

CHECKPOINT is train.py's, a .safetensors, or gpu.py's ends.pt, which has both ends of every network. restore.NAME holds strong - clean, in fp16, or with
--eight-bit that of weights as whole numbers -127..127 with a factor for each output channel in restore.NAME.scale: Set14 as JPEGs of quality 75
loses 0.005 dB with 32 channels, 0.009 with 8, so it is for files that would be too large.
"""
import argparse

import numpy as np
import torch

import weights
from carafe_luma import RESTORE, SCALE, load_model, shapes

arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arg.add_argument('checkpoint')
arg.add_argument('out')
arg.add_argument('--name', required=True)
arg.add_argument('--strong', help='checkpoint of the strong end, fine-tuned from this one')
arg.add_argument('--eight-bit', action='store_true')
arg.add_argument('--trained-on', default='see the card')
arg.add_argument('--restore-trained-on', default='JPEG quality 40..97, noise, blur: see the card')
arg.add_argument('--licence', default='MIT for the weights; see the card for the training images')
arg.add_argument('--dtype', choices=('F16', 'F32'), default='F16')
o = arg.parse_args()


def load_ends(path):
    """-> the ends there are, each with its weights and steps, and the configuration."""
    if path.endswith('.safetensors'):
        model, config = load_model(path)
        return {'clean': {'weights': model, 'steps': weights.load(path)[1]['steps']}}, config
    saved = torch.load(path)
    network = saved.get(o.name) or {'config': saved['config'], 'ends': {'clean': {'weights': saved['ema'], 'steps': saved['step']}}}
    return network['ends'], network['config']


ends, config = load_ends(o.checkpoint)
if o.strong:
    others, _ = load_ends(o.strong)
    ends['strong'] = others.get('strong') or others['clean']
clean, strong, steps = ends['clean']['weights'], ends.get('strong', {}).get('weights'), ends['clean']['steps']
tensors = {name: clean[name].numpy() for name in shapes(config)}
metadata = {'architecture': 'carafe-luma', **config, 'skip': 'input', 'name': o.name, 'licence': o.licence, 'trained_on': o.trained_on, 'steps': steps}
dtypes = {}
if strong:
    metadata['restore_trained_on'] = o.restore_trained_on
    for name, value in list(tensors.items()):
        added = strong[name].numpy() - value.astype(weights.DTYPES[o.dtype]).astype(np.float32)
        if o.eight_bit and value.ndim > 1:
            largest = np.abs(added).reshape(len(added), -1).max(1)
            factors = (largest / 127).astype(weights.DTYPES[o.dtype])
            factors[factors == 0] = 1
            tensors[RESTORE + name] = np.rint(added / factors.reshape(-1, 1, 1, 1).astype(np.float32)).clip(-127, 127)
            tensors[RESTORE + name + SCALE], dtypes[RESTORE + name] = factors, 'I8'
        else:
            tensors[RESTORE + name] = added
weights.save(o.out, tensors, metadata, o.dtype, dtypes)
print(f'{o.out}: {o.dtype}, {steps} steps{", two ends" if strong else ""}')
