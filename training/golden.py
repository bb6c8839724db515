"""Golden vectors from torch in float64 for test/golden/, independent of the TypeScript reference.

  python3 golden.py [--out ../test/golden]                 all ops
  python3 golden.py --networks ../models                  only carafe-luma, again whenever weights change

One .safetensors a op: F32 tensors `<case>/<name>`, `__metadata__.cases` = JSON array of {name, params}. Inputs are random
F32 (seeded by the case's name); what is expected is computed in float64 from them and rounded to F32.
"""
import argparse
import json
import os
import zlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import images
import weights
from carafe_luma import RESTORE, halo, load_model, residual

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)


class Golden:
    """Collects the cases of one op; tensors are rounded to F32 as they come in."""

    def __init__(self, op):
        self.op, self.tensors, self.cases = op, {}, []

    def case(self, name, params, **tensors):
        assert name not in [c['name'] for c in self.cases], name
        self.cases.append({'name': name, 'params': params})
        for key, tensor in tensors.items():
            if tensor is not None:
                self.tensors[f'{name}/{key.replace("__", ".")}'] = np.asarray(tensor, np.float32)

    def save(self, folder, command):
        path = os.path.join(folder, f'{self.op}.safetensors')
        weights.save(path, self.tensors, {'cases': json.dumps(self.cases, separators=(',', ':')), 'generator': f'training/golden.py, torch {torch.__version__}, {command}'})
        print(f'{self.op}: {len(self.cases)} cases, {os.path.getsize(path)} bytes')


def random(name, *shape, scale=1.0):
    """Normal values that are exact in F32, as a float64 tensor; the seed is the name."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return torch.from_numpy((rng.standard_normal(shape) * scale).astype(np.float32).astype(np.float64))


ACTIVATIONS = {'none': lambda x, slope: x, 'relu': lambda x, slope: F.relu(x), 'leaky-relu': F.leaky_relu,
               'silu': lambda x, slope: F.silu(x), 'hardswish': lambda x, slope: F.hardswish(x)}


# ---- ops, each as torch or the formula defines it ----

def conv(x, w, b, dilation=1):
    return F.conv2d(x, w, b, padding=(w.shape[2] - 1) * dilation // 2, dilation=dilation)


def normalize(logits, k, groups, normalizer):
    n, _, h, w = logits.shape
    taps = logits.reshape(n, groups, k * k, h, w)
    if normalizer == 'softmax':
        out = taps.softmax(2)
    else:
        out = taps.sigmoid()
        if normalizer == 'sigmoid-normalized':
            out = out / out.sum(2, keepdim=True)
    return out.reshape(logits.shape)


def pad_index(i, size, padding):
    """Source index of a tap, or None for a zero; reflection repeats (numpy.pad 'reflect'), size 1 gives 0."""
    if 0 <= i < size:
        return i
    if padding == 'zero':
        return None
    if padding == 'replicate':
        return min(max(i, 0), size - 1)
    if size == 1:
        return 0
    i %= 2 * (size - 1)
    return i if i < size else 2 * (size - 1) - i


def carafe_naive(features, kernels, k, scale, groups, padding='zero'):
    """The definition, a tap at a time (mmcv's index arithmetic)."""
    n, c, h, w = features.shape
    out = torch.zeros(n, c, h * scale, w * scale)
    for ci in range(c):
        g = ci // (c // groups)
        for oy in range(h * scale):
            for ox in range(w * scale):
                for ky in range(k):
                    for kx in range(k):
                        iy = pad_index(oy // scale + ky - k // 2, h, padding)
                        ix = pad_index(ox // scale + kx - k // 2, w, padding)
                        if iy is not None and ix is not None:
                            out[:, ci, oy, ox] += features[:, ci, iy, ix] * kernels[:, (g * k + ky) * k + kx, oy, ox]
    return out


def carafe_unfold(features, kernels, k, scale, groups, padding='zero'):
    """The same by unfold and nearest upsampling of the windows."""
    n, c, h, w = features.shape
    r = k // 2
    padded = np.pad(features.numpy(), ((0, 0), (0, 0), (r, r), (r, r)), mode={'zero': 'constant', 'replicate': 'edge', 'reflect': 'reflect'}[padding])
    windows = F.unfold(torch.from_numpy(padded), k).view(n, c * k * k, h, w)
    windows = windows.repeat_interleave(scale, 2).repeat_interleave(scale, 3).view(n, groups, c // groups, k * k, h * scale, w * scale)
    return (windows * kernels.view(n, groups, 1, k * k, h * scale, w * scale)).sum(3).view(n, c, h * scale, w * scale)


def carafe(*args):
    naive, unfold = carafe_naive(*args), carafe_unfold(*args)
    assert (naive - unfold).abs().max() < 1e-12 * max(1, float(naive.abs().max())), args[2:]
    return naive


def resize(x, height, width, mode, a):
    if mode == 'bilinear' or a == -0.75:
        return F.interpolate(x, size=(height, width), mode=mode, align_corners=False)
    rows, columns = (torch.from_numpy(resize_matrix(old, new, a)) for old, new in zip(x.shape[2:], (height, width)))
    return rows @ x @ columns.t()


def resize_matrix(size, new_size, a):
    matrix = np.zeros((new_size, size))
    for o in range(new_size):
        centre = (o + 0.5) * size / new_size - 0.5
        first = int(np.floor(centre)) - 1
        for tap in range(first, first + 4):
            matrix[o, min(max(tap, 0), size - 1)] += float(images.cubic(np.float64(centre - tap), a))
    return matrix


def windows(x, radius):
    """(n, c, h, w) -> (n, c, (2 radius + 1)^2, h, w), edges replicated."""
    n, c, h, w = x.shape
    k = 2 * radius + 1
    return F.unfold(F.pad(x, [radius] * 4, mode='replicate'), k).view(n, c, k * k, h, w)


def blur(x):
    line = torch.tensor([1., 4, 6, 4, 1]) / 16
    return F.conv2d(F.pad(x, [2] * 4, mode='replicate'), torch.outer(line, line)[None, None])


def mean_gains(big, small):
    """Channels a, b of (n, 2, h, w)."""
    mean, target, e = blur(F.avg_pool2d(big.clamp(0, 1), big.shape[2] // small.shape[2])), blur(small), 1e-3
    up = (1 - target + e) / (1 - mean + e)
    darker = mean > target
    return torch.cat([torch.where(darker, (target + e) / (mean + e), up), torch.where(darker, torch.zeros_like(up), 1 - up)], 1)


def planes_of(rgba):
    """RGBA (1, 4, h, w) in 0..255 -> Y (1, 1, h, w), Cb and Cr (1, 2, h, w): full-range BT.601."""
    r, g, b = (rgba[:, i:i + 1] / 255 for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return y, torch.cat([(b - y) / 1.772, (r - y) / 1.402], 1)


def colour_lines(rgba):
    """Slopes (1, 2, h, w), low and high (1, 4, h, w) in 0..255."""
    y, c = (windows(plane, 1) for plane in planes_of(rgba))
    about = lambda x: x - x.mean(2, keepdim=True)
    var_y, var_c = about(y).square().mean(2), about(c).square().mean(2).sum(1, keepdim=True)
    cov = (about(y) * about(c)).mean(2)
    rho = (cov.square().sum(1, keepdim=True) / ((var_y + 1e-6) * (var_c + 3e-5))).clamp(max=1)
    slopes = cov / (var_y + 3e-5) * rho**2
    steepest = slopes.abs().amax(1, keepdim=True)
    margin = torch.floor(12 + 255 * var_y / (var_y + 0.03) * (10 * (0.2 - steepest).clamp(min=0) + (0.9 - rho).clamp(min=0)))
    wide, near = windows(rgba[:, :3], 2), windows(rgba[:, 3:], 1)
    low = torch.cat([wide.amin(2) - margin, near.amin(2) - 4], 1).clamp(0, 255)
    return slopes, low, torch.cat([wide.amax(2) + margin, near.amax(2) + 4], 1).clamp(0, 255)


def planes_to_pixels(luma, base, gains, chroma, slopes, low, high, crop):
    """RGBA (1, 4, height, width) in 0..255 of the crop [x, y, width, height], not rounded."""
    (h, w), scale = luma.shape[2:], luma.shape[2] // chroma.shape[2]
    each = lambda x: x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    y = each(gains[:, :1]) * luma.clamp(0, 1) + each(gains[:, 1:])
    c = resize(chroma, h, w, 'bicubic', -0.5) + each(slopes) * (y[:1] - base[:1])
    r, b = y[:1] + 1.402 * c[:, 1:], y[:1] + 1.772 * c[:, :1]
    g = (y[:1] - 0.299 * r - 0.114 * b) / 0.587
    alpha = y[1:] if luma.shape[0] == 2 else torch.ones_like(r)
    rgba = (255 * torch.cat([r, g, b, alpha], 1)).clamp(0, 255)
    left, top, width, height = crop
    return torch.minimum(torch.maximum(rgba, each(low)), each(high))[:, :, top:top + height, left:left + width]


# ---- cases: one axis off a control case at a time ----

def conv2d():
    out = Golden('conv2d')

    def add(name, x, o, k, dilation=1, activation='none', slope=0.1, bias=True, residual=False):
        w = random(name + 'w', o, x[1], k, k, scale=(x[1] * k * k)**-0.5)
        b = random(name + 'b', o) if bias else None
        xs = random(name + 'x', *x, scale=2)
        y = conv(xs, w, b, dilation)
        r = random(name + 'r', *y.shape) if residual else None
        y = ACTIVATIONS[activation](y, slope)
        out.case(name, {'dilation': dilation, 'activation': activation, 'slope': slope, 'residual': residual}, x=xs, weights=w, bias=b, residual=r, y=y + r if residual else y)

    add('control', (1, 3, 3, 4), 3, 3)
    for k in (1, 5, 7):
        add(f'kernel-{k}', (1, 3, 3, 4), 3, k)
    for activation in list(ACTIVATIONS)[1:]:
        add(activation, (1, 3, 3, 4), 3, 3, activation=activation)
        add(f'{activation}-1x1', (1, 3, 3, 4), 3, 1, activation=activation)
    add('leaky-relu-slope-0.3', (1, 3, 3, 4), 3, 3, activation='leaky-relu', slope=0.3)
    add('no-bias', (1, 3, 3, 4), 3, 3, bias=False)
    add('residual', (1, 3, 3, 4), 3, 3, residual=True)
    add('residual-leaky-relu', (1, 4, 4, 5), 4, 3, activation='leaky-relu', residual=True)
    add('residual-silu-1x1', (1, 3, 3, 4), 3, 1, activation='silu', residual=True)
    add('dilation-2', (1, 2, 6, 5), 3, 3, dilation=2)
    add('dilation-3', (1, 2, 6, 5), 3, 3, dilation=3)
    add('dilation-2-kernel-5', (1, 2, 6, 5), 2, 5, dilation=2)
    add('dilation-2-smaller-than-window', (1, 3, 2, 1), 4, 3, dilation=2)
    for ci, co in ((1, 1), (1, 16), (3, 5), (5, 3), (16, 1), (16, 8), (17, 3), (3, 17)):
        add(f'channels-{ci}-{co}', (1, ci, 2, 3), co, 3)
        add(f'channels-{ci}-{co}-1x1', (1, ci, 2, 3), co, 1)
    add('channels-8-72-1x1', (1, 8, 2, 1), 72, 1)
    for h, w in ((1, 1), (1, 7), (7, 1), (2, 2), (5, 17)):
        add(f'size-{h}x{w}', (1, 2, h, w), 3, 3)
    for h, w in ((1, 1), (2, 3), (4, 1)):
        add(f'size-{h}x{w}-kernel-5', (1, 2, h, w), 3, 5)
    add('batch-2', (2, 3, 3, 4), 3, 3)
    add('batch-2-1x1', (2, 5, 3, 4), 6, 1, activation='relu')
    return out


def pixel_shuffle():
    out = Golden('pixel-shuffle')
    for s in (1, 2, 3, 4):
        for n, c, h, w in ((1, 1, 1, 1), (1, 3, 2, 5), (2, 2, 3, 2), (1, 5, 1, 2)):
            name = f'scale-{s}-{n}x{c}x{h}x{w}'
            x = random(name, n, c * s * s, h, w)
            out.case(name, {'scale': s}, x=x, y=nn.PixelShuffle(s)(x))
    return out


def normalize_kernels():
    out = Golden('normalize-kernels')

    def add(name, normalizer, n=1, k=3, groups=1, h=2, w=3, scale=2.0, x=None):
        x = random(name, n, groups * k * k, h, w, scale=scale) if x is None else x
        out.case(name, {'kUp': k, 'groups': groups, 'normalizer': normalizer}, x=x, y=normalize(x, k, groups, normalizer))

    for normalizer in ('softmax', 'sigmoid', 'sigmoid-normalized'):
        add(normalizer, normalizer)
        for k in (1, 5, 7):
            add(f'{normalizer}-kernel-{k}', normalizer, k=k, h=2, w=2)
        for groups in (2, 3, 4):
            add(f'{normalizer}-groups-{groups}', normalizer, groups=groups, h=1, w=3)
        add(f'{normalizer}-1x1', normalizer, h=1, w=1)
        add(f'{normalizer}-17-wide', normalizer, h=1, w=17)
        add(f'{normalizer}-batch-2', normalizer, n=2, h=2, w=3)
        add(f'{normalizer}-equal', normalizer, x=torch.full((1, 9, 2, 2), 3.25))
        large = random(normalizer + 'large', 1, 18, 3, 4, scale=30).clamp(-80, 80)
        large[0, 0, 0, 0], large[0, 1, 0, 0], large[0, :9, 1, 1], large[0, :9, 1, 2] = 80, -80, 80, -80
        large[0, 3, 2, 2] = 80
        add(f'{normalizer}-large', normalizer, groups=2, x=large)
    return out


def reassemble():
    out = Golden('reassemble')

    def add(name, n=1, c=2, h=3, w=3, k=3, scale=2, groups=1, padding='zero'):
        features = random(name + 'f', n, c, h, w)
        kernels = normalize(random(name + 'k', n, groups * k * k, h * scale, w * scale), k, groups, 'softmax')
        if name.startswith('signed'):
            kernels = random(name + 'k', n, groups * k * k, h * scale, w * scale)
        kernels = kernels.to(torch.float32).double()
        out.case(name, {'kUp': k, 'scale': scale, 'groups': groups, 'padding': padding}, features=features, kernels=kernels,
                 y=carafe(features, kernels, k, scale, groups, padding))

    for padding in ('zero', 'replicate', 'reflect'):
        add(f'{padding}', padding=padding)
        add(f'signed-{padding}', padding=padding)
        add(f'{padding}-kernel-1', k=1, c=2, padding=padding)
        add(f'{padding}-kernel-5', k=5, c=2, h=4, w=3, scale=1, padding=padding)
        for scale in (1, 3, 4):
            add(f'{padding}-scale-{scale}', scale=scale, c=2, h=1 if scale == 4 else 2, w=2, padding=padding)
        add(f'{padding}-1x1-kernel-5', c=3, h=1, w=1, k=5, padding=padding)
        add(f'{padding}-1x6-kernel-5', c=2, h=1, w=6, k=5, scale=1, padding=padding)
        add(f'{padding}-2x3-kernel-7', c=2, h=2, w=3, k=7, scale=1, padding=padding)
        add(f'{padding}-groups-2', c=4, groups=2, h=2, w=2, padding=padding)
        add(f'{padding}-batch-2', n=2, c=3, h=2, w=2, padding=padding)
    add('groups-c', c=4, groups=4, h=2, w=2)
    add('groups-3-of-6', c=6, groups=3, h=2, w=2)
    add('groups-2-of-6-kernel-5-scale-3', c=6, groups=2, h=1, w=2, k=5, scale=3)
    add('groups-c-scale-1', c=3, groups=3, scale=1, k=5)
    add('batch-2-groups-2-kernel-5', n=2, groups=2, k=5, h=2, w=2, scale=1)
    for c in (1, 5, 8, 16, 17):
        add(f'channels-{c}', c=c, h=1, w=3)
    add('17-wide', c=2, h=1, w=17)
    add('kernel-5-scale-2', k=5, h=2, w=3)
    add('kernel-7-scale-2', k=7, c=2, h=2, w=2)
    return out


def resize_cases():
    out = Golden('resize')
    sizes = ((4, 5, 8, 10), (3, 4, 9, 12), (3, 2, 12, 8), (4, 5, 4, 5), (5, 7, 8, 9), (6, 5, 7, 13), (8, 10, 4, 5), (9, 11, 4, 3), (7, 6, 1, 1), (1, 1, 3, 4), (1, 1, 1, 1), (2, 1, 5, 3), (1, 17, 2, 34))
    for mode, a in (('bilinear', -0.75), ('bicubic', -0.75), ('bicubic', -0.5)):
        for h, w, height, width in sizes:
            name = f'{mode}{"" if mode == "bilinear" else a}-{h}x{w}-to-{height}x{width}'
            x = random(name, 2 if (h, w) == (5, 7) else 1, 3 if h < 5 else 1, h, w)
            y = resize(x, height, width, mode, a)
            if mode == 'bicubic':  # our matrices against torch's own bicubic
                rows, columns = (torch.from_numpy(resize_matrix(old, new, -0.75)) for old, new in ((h, height), (w, width)))
                assert (rows @ x @ columns.t() - resize(x, height, width, mode, -0.75)).abs().max() < 1e-12, name
            out.case(name, {'height': height, 'width': width, 'mode': mode, 'cubicA': a}, x=x, y=y)
    return out


def pack_forward(x, p, compress, encode):
    """mmcv's CARAFEPack.forward: compress (callable or None), encode, pixel shuffle, normalise, reassemble."""
    mid = compress(x) if compress else x
    kernels = normalize(F.pixel_shuffle(encode(mid), p['scale']), p['kUp'], p['groups'], p['normalizer'])
    return kernels, carafe(x, kernels, p['kUp'], p['scale'], p['groups'], p['padding'])


class ConvBN(nn.Module):
    """The YOLO forks' Conv: convolution without bias, BatchNorm (eps 1e-3), SiLU or nothing."""

    def __init__(self, name, ci, co, k, act):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(ci, co, k, padding=k // 2, bias=False), nn.BatchNorm2d(co, eps=1e-3)
        self.act = nn.SiLU() if act else nn.Identity()
        with torch.no_grad():
            self.conv.weight.copy_(random(name + 'w', co, ci, k, k, scale=(ci * k * k)**-0.5))
            self.bn.weight.copy_(random(name + 'g', co, scale=0.3) + 1)
            self.bn.bias.copy_(random(name + 'b', co, scale=0.3))
            self.bn.running_mean.copy_(random(name + 'm', co, scale=0.5))
            self.bn.running_var.copy_(random(name + 'v', co).abs() + 0.05)
            for value in (self.bn.weight, self.bn.running_var):  # exact in F32 again after the arithmetic
                value.copy_(value.float().double())
        self.eval()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))

    def folded(self):
        factor = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
        return (self.conv.weight * factor[:, None, None, None]).detach(), (self.bn.bias - self.bn.running_mean * factor).detach()

    def tensors(self):
        return {'conv.weight': self.conv.weight, 'bn.weight': self.bn.weight, 'bn.bias': self.bn.bias,
                'bn.running_mean': self.bn.running_mean, 'bn.running_var': self.bn.running_var}


def carafe_pack():
    out = Golden('carafe-pack')
    default = {'scale': 2, 'kUp': 5, 'kEnc': 3, 'groups': 1, 'normalizer': 'softmax', 'dilation': 1, 'activation': 'none', 'slope': 0.1, 'padding': 'zero'}

    def add(name, n=1, c=4, mid=2, h=2, w=2, compress=True, bias=True, **changes):
        p = {**default, **changes}
        x = random(name + 'x', n, c, h, w)
        cw = random(name + 'cw', mid, c, 1, 1, scale=c**-0.5) if compress else None
        cb = random(name + 'cb', mid) if compress and bias else None
        ci, co = mid if compress else c, p['kUp']**2 * p['groups'] * p['scale']**2
        ew = random(name + 'ew', co, ci, p['kEnc'], p['kEnc'], scale=2 * (ci * p['kEnc']**2)**-0.5)
        eb = random(name + 'eb', co) if bias else None
        kernels, y = pack_forward(x, p, (lambda v: ACTIVATIONS[p['activation']](conv(v, cw, cb), p['slope'])) if compress else None,
                                  lambda v: conv(v, ew, eb, p['dilation']))
        out.case(name, p, x=x, compress__weights=cw, compress__bias=cb, encode__weights=ew, encode__bias=eb, kernels=kernels, y=y)

    add('default')
    add('batch-2', n=2, h=2, w=2, kUp=3, mid=1)
    add('groups-2', groups=2, kUp=3, mid=1)
    add('groups-2-kernel-5', groups=2, h=2, w=2, mid=2, kEnc=1)
    add('dilation-2', dilation=2, kUp=3, h=4, w=3)
    for normalizer in ('sigmoid', 'sigmoid-normalized'):
        add(normalizer, normalizer=normalizer, kUp=3)
        add(f'{normalizer}-groups-2', normalizer=normalizer, kUp=3, groups=2, h=2, w=2, kEnc=1)
    add('scale-3', scale=3, kUp=3, h=2, w=2, mid=1)
    add('scale-4', scale=4, kUp=3, h=2, w=1, mid=1)
    add('scale-1', scale=1, kUp=5)
    add('encoder-1x1', kEnc=1, kUp=3)
    add('encoder-5x5', kEnc=5, kUp=3, mid=1)
    add('kernel-7', kUp=7, c=2, mid=3, h=1, w=2, kEnc=1)
    add('no-compress', c=2, compress=False, kUp=3)
    add('no-bias', bias=False, kUp=3)
    for activation in ('relu', 'silu', 'hardswish', 'leaky-relu'):
        add(f'compress-{activation}', activation=activation, kUp=3, kEnc=1)
    for padding in ('replicate', 'reflect'):
        add(f'padding-{padding}', padding=padding, kUp=3, kEnc=1)
    add('size-1x1', h=1, w=1, mid=1)
    add('smaller-than-window', h=2, w=1, mid=1)
    add('odd-channels', c=5, mid=7, kUp=3, kEnc=1)

    for name in ('conv-bn-silu', 'conv-bn-silu-kernel-3'):
        p = {**default, 'activation': 'silu', 'kUp': 3 if '3' in name else 5}
        x = random(name + 'x', 1, 3, 2, 2)
        comp = ConvBN(name + 'comp', 3, 1 if p['kUp'] == 5 else 2, 1, True)
        enc = ConvBN(name + 'enc', comp.conv.out_channels, p['kUp']**2 * p['scale']**2, p['kEnc'], False)
        with torch.no_grad():
            kernels, y = pack_forward(x, p, comp, enc)
            cw, cb = comp.folded()
            ew, eb = enc.folded()
            folded_kernels, folded_y = pack_forward(x, p, lambda v: F.silu(conv(v, cw, cb)), lambda v: conv(v, ew, eb))
            assert (y - folded_y).abs().max() < 1e-12
            unfolded = {f'unfolded/{part}.{key}': value for part, module in (('comp', comp), ('enc', enc)) for key, value in module.tensors().items()}
            out.case(name, {**p, 'batchNormEps': 1e-3}, x=x, compress__weights=cw, compress__bias=cb, encode__weights=ew, encode__bias=eb,
                     kernels=kernels, y=y, **unfolded)
    return out


def mean_gains_cases():
    out = Golden('mean-gains')

    def add(name, n=1, h=4, w=5, scale=2, big=None, small=None):
        big = 0.5 + random(name + 'b', n, 1, h * scale, w * scale, scale=0.4) if big is None else big
        small = (0.5 + random(name + 's', n, 1, h, w, scale=0.3)).clamp(0, 1) if small is None else small
        big, small = big.float().double(), small.float().double()
        out.case(name, {'scale': scale}, big=big, small=small, y=mean_gains(big, small))

    add('control')
    for scale in (1, 3, 4):
        add(f'scale-{scale}', scale=scale, h=3)
    for h, w in ((1, 1), (1, 9), (9, 1), (2, 3), (5, 17)):
        add(f'size-{h}x{w}', h=h, w=w)
    add('batch-2', n=2)
    checkerboard = torch.from_numpy((np.indices((6, 7)).sum(0) % 2).astype(np.float64))[None, None]
    add('checkerboard-too-dark', big=checkerboard.repeat_interleave(2, 2).repeat_interleave(2, 3) * 0.5 - 0.1, small=checkerboard)
    add('checkerboard-too-bright', big=checkerboard.repeat_interleave(2, 2).repeat_interleave(2, 3) * 0.5 + 0.6, small=checkerboard)
    add('black', big=torch.full((1, 1, 6, 6), -0.2), small=torch.zeros(1, 1, 3, 3))
    add('white', big=torch.full((1, 1, 6, 6), 1.2), small=torch.ones(1, 1, 3, 3))
    return out


def random_rgba(name, h, w):
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return torch.from_numpy(rng.integers(0, 256, (1, 4, h, w)).astype(np.float64))


def colour_lines_cases():
    out = Golden('colour-lines')

    def add(name, rgba):
        slopes, low, high = colour_lines(rgba)
        out.case(name, {}, pixels=rgba, slopes=slopes, low=low, high=high)

    def two_colours(name, first, second, h=6, w=7):
        share = (random_rgba(name, h, w)[:, :1] / 255).repeat(1, 4, 1, 1)
        ends = [torch.tensor([*colour, 255.]).view(1, 4, 1, 1) for colour in (first, second)]
        add(name, torch.floor(ends[0] * share + ends[1] * (1 - share)))

    for h, w in ((6, 7), (1, 1), (1, 8), (8, 1), (2, 2), (5, 17)):
        add(f'noise-{h}x{w}', random_rgba(f'noise-{h}x{w}', h, w))
    two_colours('red-on-white', (207, 34, 46), (255, 255, 255))
    two_colours('blue-on-black', (9, 105, 218), (0, 0, 0))
    two_colours('greys', (30, 30, 30), (220, 220, 220))
    add('flat', torch.tensor([10., 200, 30, 128]).view(1, 4, 1, 1).repeat(1, 1, 4, 5))
    return out


def planes_to_pixels_cases():
    out = Golden('planes-to-pixels')

    def add(name, h=4, w=5, scale=2, alpha=False, crop=None):
        n = 2 if alpha else 1
        crop = crop or [0, 0, w * scale, h * scale]
        exact = lambda x: x.float().double()
        luma, base = (exact(0.5 + random(name + part, n, 1, h * scale, w * scale, scale=0.4)) for part in 'lb')
        a = exact(1 + random(name + 'a', n, 1, h, w, scale=0.2))
        gains = torch.cat([a, exact(1 - a)], 1)
        chroma, slopes = random(name + 'c', 1, 2, h, w, scale=0.2), random(name + 's', 1, 2, h, w, scale=0.5)
        low, high = torch.floor(random_rgba(name + 'low', h, w) / 3), 255 - torch.floor(random_rgba(name + 'high', h, w) / 3)
        out.case(name, {'crop': crop}, luma=luma, base=base, gains=gains, chroma=chroma, slopes=slopes, low=low, high=high,
                 pixels=planes_to_pixels(luma, base, gains, chroma, slopes, low, high, crop))

    for alpha in (False, True):
        for scale in (1, 2, 3, 4):
            add(f'scale-{scale}{"-alpha" if alpha else ""}', scale=scale, alpha=alpha, h=3)
    add('crop', crop=[2, 4, 6, 2])
    add('crop-between-source-pixels', crop=[1, 3, 7, 4])
    add('crop-between-source-pixels-scale-3', scale=3, alpha=True, crop=[4, 1, 8, 7])
    for h, w in ((1, 1), (1, 9), (9, 1), (5, 17)):
        add(f'size-{h}x{w}', h=h, w=w)
    return out


def networks(folder):
    """Each upscaler's luma: edge-replicated by the halo, bicubic plus residual, nothing rounded or clipped. With two ends also half way between them."""
    out = Golden('carafe-luma')
    files = sorted(name for name in os.listdir(folder) if name.endswith('.safetensors'))
    two_ends = [name for name in files if any(key.startswith(RESTORE) for key in weights.load(os.path.join(folder, name))[0])]
    for file, restore in [(name, 0) for name in files] + [(name, 0.5) for name in two_ends]:
        single, config = load_model(os.path.join(folder, file), restore)
        model = {name: value.double() for name, value in single.items()}
        rng = np.random.Generator(np.random.PCG64(7))
        for h, w in ((16, 12),) if restore else ((16, 12), (5, 3), (1, 1)):
            oy, ox = np.mgrid[:h, :w] / 8
            y = 0.5 + 0.3 * np.sin(oy * 3 + ox) * np.cos(ox * 2.3 - oy) + 0.2 * ((oy + 0.7 * ox) % 1 > 0.5) - 0.1 + 0.02 * rng.standard_normal((h, w))
            y = np.clip(y, 0, 1).astype(np.float32).astype(np.float64)
            added = residual(model, torch.from_numpy(np.pad(y, halo(config), mode='edge'))[None, None], config)
            name = f'{file[:-12]} {h}x{w}' + (f' restore {restore}' if restore else '')
            out.case(name, {**config, 'halo': halo(config), 'model': file, 'restore': restore}, y_in=torch.from_numpy(y)[None, None],
                     y=torch.from_numpy(images.upscale_bicubic(y, config['scale']))[None, None] + added)
    return out


if __name__ == '__main__':
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--out', default=os.path.join(HERE, '..', 'test', 'golden'))
    arg.add_argument('--networks', help='folder of carafe-luma networks; then only carafe-luma.safetensors is written')
    o = arg.parse_args()
    torch.set_num_threads(1)
    os.makedirs(o.out, exist_ok=True)
    if o.networks:
        networks(o.networks).save(o.out, 'python3 golden.py --networks ../models')
    else:
        for golden in (conv2d(), pixel_shuffle(), normalize_kernels(), reassemble(), resize_cases(), carafe_pack(), mean_gains_cases(), colour_lines_cases(),
                       planes_to_pixels_cases()):
            golden.save(o.out, 'python3 golden.py')
