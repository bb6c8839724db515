"""Golden gradients for test/golden/: torch's autograd in float64, of the reassembly and of the learned module.

  python3 golden_gradients.py [--out ../test/golden]

One .safetensors, as golden.py's: `<case>/<name>` and metadata `cases`. A case is an input and what a loss changes by the result (`gradient`);
`by.<name>` is what it changes by each input.
"""
import argparse
import os

import torch
import torch.nn.functional as F

from golden import ACTIVATIONS, HERE, Golden, carafe_naive as carafe, conv, normalize, random


def gradients(out, name, params, result, **inputs):
    """Runs `result` of the inputs that are there, and differentiates by each."""
    leaves = {key: value.clone().requires_grad_() for key, value in inputs.items() if value is not None}
    y = result(leaves)
    gradient = random(name + 'gradient', *y.shape)
    y.backward(gradient)
    out.case(name, params, gradient=gradient, **inputs, **{f'by__{key}': leaf.grad for key, leaf in leaves.items()})


def reassembly(out, name, n=1, c=4, h=3, w=4, **changes):
    p = {'scale': 2, 'kUp': 3, 'groups': 1, 'padding': 'zero', **changes}
    kernels = random(name + 'k', n, p['groups'] * p['kUp']**2, h * p['scale'], w * p['scale'])
    gradients(out, 'reassemble ' + name, p, lambda v: carafe(v['features'], v['kernels'], p['kUp'], p['scale'], p['groups'], p['padding']),
              features=random(name + 'x', n, c, h, w), kernels=kernels)


def module(out, name, n=1, c=4, mid=2, h=3, w=3, compress=True, bias=True, after=0, ghost=False, **changes):
    p = {'scale': 2, 'kUp': 3, 'kEnc': 3, 'groups': 1, 'normalizer': 'softmax', 'dilation': 1, 'activation': 'none', 'slope': 0.1, 'padding': 'zero', **changes}
    act = ACTIVATIONS[p['activation']]
    half = 2 if ghost else 1
    ci, co = mid * half if compress else c, p['kUp']**2 * p['groups'] * p['scale']**2

    def weights(key, co, ci, k, scale=1.0):
        return {key + '__weights': random(name + key, co // half, ci, k, k, scale=scale * (ci * k * k)**-0.5),
                key + '__bias': random(name + key + 'b', co // half) if bias else None,
                key + '__ghost__weights': random(name + key + 'g', co // 2, 1, 5, 5, scale=0.3) if ghost else None,
                key + '__ghost__bias': random(name + key + 'gb', co // 2) if ghost and bias else None}

    def stage(v, x, key, activated, dilation=1):
        on = (lambda y: act(y, p['slope'])) if activated or ghost else (lambda y: y)
        y = on(conv(x, v[key + '__weights'], v.get(key + '__bias'), dilation))
        if not ghost:
            return y
        cheap = F.conv2d(y, v[key + '__ghost__weights'], v.get(key + '__ghost__bias'), padding=2, groups=y.shape[1])
        return torch.cat([y, on(cheap)], 1)

    def forward(v):
        middle = stage(v, v['x'], 'compress', True) if compress else v['x']
        kernels = normalize(F.pixel_shuffle(stage(v, middle, 'encode', False, p['dilation']), p['scale']), p['kUp'], p['groups'], p['normalizer'])
        y = carafe(v['x'], kernels, p['kUp'], p['scale'], p['groups'], p['padding'])
        return stage(v, y, 'out', False) if after else y

    gradients(out, 'module ' + name, p, forward, x=random(name + 'x', n, c, h, w), **(weights('compress', mid * half, c, 1) if compress else {}),
              **weights('encode', co, ci, p['kEnc'], 2), **(weights('out', after, c, 1) if after else {}))


def cases():
    out = Golden('gradients')
    reassembly(out, 'default')
    reassembly(out, 'batch 2, groups 2', n=2, groups=2, c=6)
    reassembly(out, 'kUp 5, 5 channels', kUp=5, c=5)
    for scale in (1, 3, 4):
        reassembly(out, f'scale {scale}', scale=scale, h=2, w=3)
    for padding in ('replicate', 'reflect'):
        reassembly(out, padding, padding=padding, kUp=5)
        reassembly(out, f'{padding}, smaller than the window', padding=padding, kUp=7, h=2, w=3)
    module(out, 'default', kUp=5)
    module(out, 'batch 2, groups 2', n=2, groups=2)
    module(out, 'dilation 2', dilation=2, h=4, w=5)
    module(out, 'encoder 1x1', kEnc=1)
    module(out, 'encoder 5x5', kEnc=5, mid=1)
    for normalizer in ('sigmoid', 'sigmoid-normalized'):
        module(out, normalizer, normalizer=normalizer)
    for scale in (1, 3):
        module(out, f'scale {scale}', scale=scale, h=2, w=3)
    for activation in ('relu', 'leaky-relu', 'silu', 'hardswish'):
        module(out, activation, activation=activation)
    module(out, 'no compressor', compress=False)
    module(out, 'no bias', bias=False)
    module(out, 'replicate', padding='replicate')
    module(out, 'a convolution after', after=6)
    module(out, 'Ghost', ghost=True, after=6, activation='silu')
    return out


if __name__ == '__main__':
    arg = argparse.ArgumentParser()
    arg.add_argument('--out', default=os.path.join(HERE, '../test/golden'))
    o = arg.parse_args()
    torch.set_num_threads(1)
    cases().save(o.out, 'python3 golden_gradients.py')
