"""Checkpoint -> models/<name>.safetensors (collapsed EMA weights, fp16).

  python3 export.py CHECKPOINT OUT --name base-x2
"""
import argparse

import torch

import weights
from carafe_luma import shapes

arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arg.add_argument('checkpoint')
arg.add_argument('out')
arg.add_argument('--name', required=True)
arg.add_argument('--trained-on', default='see the card')
arg.add_argument('--licence', default='MIT for the weights; see the card for the training images')
arg.add_argument('--dtype', choices=('F16', 'F32'), default='F16')
o = arg.parse_args()

saved = torch.load(o.checkpoint)
config = saved['config']
tensors = {name: saved['ema'][name].numpy() for name in shapes(config)}
metadata = {'architecture': 'carafe-luma', **config, 'skip': 'input', 'name': o.name, 'licence': o.licence, 'trained_on': o.trained_on, 'steps': saved['step']}
weights.save(o.out, tensors, metadata, o.dtype)
print(f'{o.out}: {o.dtype}, step {saved["step"]}')
