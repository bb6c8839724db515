"""The network `carafe-luma` in plain torch: the definition that step.cpp, golden.py and the package must equal.

  h = lrelu(head(y)); for each body conv: h = lrelu(body(h)) + h
  kernels = softmax over the kUp^2 taps of each group of pixelShuffle(encode(compress(h)), scale)
  out = bicubic(y) + sum over groups of carafe(maps(h)[g], kernels[g])

compress, CARAFE's, is linear here and without bias: 1x1 to cMid channels, or nothing if cMid is 0. Weights are a dict
of OIHW tensors under the names that the .safetensors file has. `valid` convolutions only: the caller gives the context
(halo() LR pixels each side), so no layer ever sees a zero border.
"""
import torch
import torch.nn.functional as F

import upsamplers
import weights as safetensors

CONFIG = {'scale': 2, 'channels': 16, 'body': 5, 'groups': 4, 'kUp': 3, 'cMid': 0, 'slope': 0.2}


RESTORE = 'restore.'  # before the name of what the strong end, for JPEGs and noise, adds to a tensor; SCALE: the factors of an 8-bit one
SCALE = '.scale'


def load_model(path, restore=0.0):
    """-> (weights as float32 tensors, config) of a .safetensors or of train.py's checkpoint; restore: the place between a file's two ends, 0 clean to 1 strong."""
    if not path.endswith('.safetensors'):
        saved = torch.load(path)
        return saved['ema'], saved['config']
    tensors, metadata = safetensors.load(path)
    config = {key: type(value)(metadata.get(key, value)) for key, value in CONFIG.items()}  # older files have no cMid
    weights = {}
    for name, value in tensors.items():
        if not name.startswith(RESTORE):
            weights[name] = torch.from_numpy(value)
            if restore and RESTORE + name in tensors:
                factors = tensors.get(RESTORE + name + SCALE)
                added = tensors[RESTORE + name] * (1 if factors is None else factors.reshape(-1, *(1,) * (value.ndim - 1)))
                weights[name] = weights[name] + restore * torch.from_numpy(added)
    return weights, config


def halo(config):
    """LR pixels of context each side: head, body and maps convs are 3x3, then the reassembly window."""
    return config['body'] + 2 + config['kUp'] // 2


def shapes(config):
    c, g, k, s = config['channels'], config['groups'], config['kUp'], config['scale']
    table = {'head.weights': (c, 1, 3, 3), 'head.bias': (c,)}
    for i in range(config['body']):
        table[f'body.{i}.weights'], table[f'body.{i}.bias'] = (c, c, 3, 3), (c,)
    if 'upsampler' in config:
        table['maps.weights'], table['maps.bias'] = upsamplers.shape(config['upsampler'], c, s), (1,)
        return table
    m = config['cMid'] or c
    if config['cMid']:
        table['compress.weights'] = (m, c, 1, 1)
    table['encode.weights'], table['encode.bias'] = (g * k * k * s * s, m, 1, 1), (g * k * k * s * s,)
    table['maps.weights'], table['maps.bias'] = (g, c, 3, 3), (g,)
    return table


def params(config):
    return sum(int(torch.tensor(shape).prod()) for shape in shapes(config).values())


def macs(config):
    """Multiply-adds per LR pixel, as a dict of named terms; the bicubic skip (16 per output pixel, separable 8) is counted too."""
    c, g, k, s = config['channels'], config['groups'], config['kUp'], config['scale']
    m = config['cMid'] or c
    return {'head': 9 * c, 'body': config['body'] * 9 * c * c, 'compress': c * config['cMid'], 'encode': m * g * k * k * s * s, 'maps': 9 * c * g,
            'reassemble': g * k * k * s * s, 'bicubic': 4 * s + 4 * s * s}


def crop(x, n):
    return x[..., n:-n, n:-n] if n else x


def reassemble(maps, kernels, config):
    """maps [n, g, h + 2r, w + 2r], kernels [n, g*k*k, h*s, w*s] -> [n, 1, h*s, w*s], groups summed.

    The same sum as mmcv's carafe with one channel a group; done at LR per sub-pixel, which torch does faster.
    """
    g, k, s = config['groups'], config['kUp'], config['scale']
    n, _, hs, ws = kernels.shape
    windows = F.unfold(maps, k).view(n, g, k * k, 1, hs // s, ws // s)
    per_sub = F.pixel_unshuffle(kernels, s).view(n, g, k * k, s * s, hs // s, ws // s)
    return F.pixel_shuffle((windows * per_sub).sum((1, 2)), s)


def encoder(weights):
    """compress and encode as one matrix [g*k*k*s*s, c]."""
    encode = weights['encode.weights'].flatten(1)
    return encode @ weights['compress.weights'].flatten(1) if 'compress.weights' in weights else encode


def residual(weights, y, config):
    """y [n, 1, h + 2 halo, w + 2 halo] -> what is added to the bicubic, [n, 1, h*s, w*s]."""
    c, g, k, s, slope = (config[name] for name in ('channels', 'groups', 'kUp', 'scale', 'slope'))
    h = F.leaky_relu(F.conv2d(y, weights['head.weights'], weights['head.bias']), slope)
    for i in range(config['body']):
        h = F.leaky_relu(F.conv2d(h, weights[f'body.{i}.weights'], weights[f'body.{i}.bias']), slope) + crop(h, 1)
    if 'upsampler' in config:
        return F.pixel_shuffle(F.conv2d(h, upsamplers.per_sub_pixel(weights['maps.weights'], config['upsampler'], s)) + weights['maps.bias'], s)
    maps = F.conv2d(h, weights['maps.weights'], weights['maps.bias'])
    inner = crop(h, 1 + k // 2).permute(0, 2, 3, 1)  # torch 1.13's 1x1 conv takes a slow path: F.linear
    logits = F.linear(inner, encoder(weights), weights['encode.bias']).permute(0, 3, 1, 2)
    logits = F.pixel_shuffle(logits, s)
    n, _, hs, ws = logits.shape
    kernels = logits.reshape(n, g, k * k, hs, ws).softmax(2).reshape(n, g * k * k, hs, ws)
    return reassemble(maps, kernels, config)


def initial(config, seed=0):
    """Random weights: torch's own default for a convolution, biases of zero."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes(config).items():
        if name.endswith('bias'):
            weights[name] = torch.zeros(shape)
        else:
            weights[name] = (torch.rand(shape, generator=generator) * 2 - 1) * (shape[1] * shape[2] * shape[3])**-0.5
    return weights
