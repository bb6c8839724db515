"""Train all `carafe-luma` networks at once on one GPU, by the clock: first the clean end of each, then from it the strong end.

  python3 gpu.py --images DIR --models ../models --out DIR --seconds N

One process: a CUDA graph of a whole step for each network, each on a stream of its own, so that small networks run in the gaps of large
ones. Images lie on the GPU whole; a step takes its patches by a table of random places made beforehand. Every CUDA-only feature is left
out by itself where it fails. The same code runs on a CPU (`--device cpu`, small), and `--check` compares it with step.cpp and muon.py.
SIGTERM saves and ends; the same command goes on. SIGSTOP and SIGCONT: time that did not run does not count.
"""
import argparse
import concurrent.futures
import contextlib
import ctypes
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import typing

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
os.environ.setdefault('CUDA_MODULE_LOADING', 'LAZY')
os.environ.setdefault('CUDA_DEVICE_MAX_CONNECTIONS', '32')  # as many hardware queues as streams, or they wait for each other

import numpy as np
from PIL import Image

import degrade
import images

BEGAN = time.monotonic()
PAD = 16  # LR pixels of replicated edge around each stored image: at least every network's halo
ROWS = 3 << 16  # places in a table: an even number of whole batches
VERSIONS = 4  # degraded copies of each image
LOG_OFFSET = 3e-4  # step.py's
SCALE_FP16 = 512.0  # of the loss at most, so that half-precision gradients neither vanish nor overflow; halved when they do

SHARES = {'bsds400': 0.50, 'cid22': 0.24, 'wallpapers': 0.10, 'clic': 0.06, 'clipart': 0.03, 'ink': 0.03, 'text': 0.04}
STRONG_SHARES = {'bsds400': 0.42, 'cid22': 0.25, 'wallpapers': 0.17, 'clic': 0.08, 'clipart': 0.03, 'ink': 0.02, 'text': 0.03}


def network(scale, channels, body, groups, c_mid, batch, patch, lr, strong_lr, priority, cap=1e9, clean=1):
    """priority: of its stream, lower first. cap: steps a second, so that small networks, being first, leave the GPU to large ones. clean: how much it
    uses of --clean-share, the rest is for its strong end; with 0 the weights it begins with stay the clean end."""
    config = {'scale': scale, 'channels': channels, 'body': body, 'groups': groups, 'kUp': 3, 'cMid': c_mid, 'slope': 0.2}
    return {'config': config, 'batch': batch, 'patch': patch, 'lr': lr, 'strong_lr': strong_lr, 'priority': priority, 'cap': cap, 'clean': clean}


NETWORKS = {  # largest first: they are prepared first
    'xl-x2': network(2, 32, 11, 4, 16, 24, 56, 3e-3, 3e-3, 0),
    'xl-x4': network(4, 32, 11, 4, 16, 24, 56, 3e-3, 3e-3, 0, 70),
    'large-x2': network(2, 16, 12, 4, 8, 32, 56, 4e-3, 4e-3, -1),
    'large-x3': network(3, 32, 5, 3, 8, 32, 48, 3e-3, 3e-3, -1),
    'large-x4': network(4, 32, 4, 4, 16, 32, 48, 3e-3, 3e-3, -1),
    'base-x2': network(2, 16, 5, 4, 8, 32, 48, 3e-3, 4e-3, -2, 100, 0.6),
    'base-x3': network(3, 16, 5, 3, 8, 32, 48, 3e-3, 4e-3, -2, 50),
    'base-x4': network(4, 16, 5, 2, 8, 32, 48, 3e-3, 4e-3, -2, 50),
    'small-x2': network(2, 8, 5, 4, 0, 32, 48, 4e-3, 5e-3, -3, 60, 0),
    'small-x3': network(3, 8, 6, 2, 4, 32, 48, 4e-3, 5e-3, -3, 40, 0),
    'small-x4': network(4, 8, 5, 2, 4, 32, 48, 4e-3, 5e-3, -3, 40, 0),
    'tiny-x2': network(2, 8, 1, 2, 4, 32, 48, 6e-3, 5e-3, -3, 80),
    'tiny-x3': network(3, 8, 1, 2, 4, 32, 48, 6e-3, 5e-3, -3, 50),
    'tiny-x4': network(4, 8, 1, 2, 4, 32, 48, 6e-3, 5e-3, -3, 50),
}


# ---- images, on the CPU's cores ----

def decode(path):
    """Luma. Of pictures of many sizes the last rows and columns are left out, so that they share matrices and batches."""
    image = np.asarray(Image.open(path).convert('L'))
    return image[:image.shape[0] // 96 * 96, :image.shape[1] // 96 * 96] if os.path.basename(os.path.dirname(path)) in ('clipart', 'clic') else image


def code(job):
    """[n, h, w] 8-bit luma and a JPEG quality each (0: none) -> the same as they come back. Luma is coded alike whatever the chroma's resolution is."""
    return np.stack([degrade.jpeg(image, quality) for image, quality in zip(*job)])


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start_decoding(pool, folder, limit):
    return [(source, pool.map_async(decode, images.list_images([os.path.join(folder, source)])[:limit], 8)) for source in SHARES if os.path.isdir(os.path.join(folder, source))]


def start_kernels(names):
    """Processes that compile gpu_kernels.py for these networks into Triton's cache while images are read."""
    sizes = sorted({(c['channels'], c['groups'], c['scale'], NETWORKS[name]['patch']) for name in names for c in [NETWORKS[name]['config']]})
    jobs = [['agree'], *([' '.join(map(str, size)) for size in sizes[i::4]] for i in range(min(4, len(sizes))))]
    return [subprocess.Popen([sys.executable, 'gpu_kernels.py', *job], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             cwd=os.path.dirname(os.path.abspath(__file__))) for job in jobs]


def options():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--images', help='folder of folders of images, named as in SHARES')
    arg.add_argument('--models', default='../models', help='where the weights to begin with are')
    arg.add_argument('--start', nargs='*', help='.safetensors to begin with, instead of each network as it is in --models; none: from nothing')
    arg.add_argument('--out')
    arg.add_argument('--seconds', type=float, default=560, help='of running time in all, preparation too')
    arg.add_argument('--clean-share', type=float, default=0.57, help='of the training time; the rest is for the strong ends')
    arg.add_argument('--networks', nargs='*', default=list(NETWORKS))
    arg.add_argument('--device', default='cuda')
    arg.add_argument('--batch', type=int, help='for all networks, instead of their own')
    arg.add_argument('--patch', type=int)
    arg.add_argument('--limit', type=int, help='images of each source')
    arg.add_argument('--burst', type=int, default=8, help='steps between two looks at the clock')
    arg.add_argument('--pause', type=float, default=0, help='seconds between bursts')
    arg.add_argument('--log-seconds', type=float, default=15)
    arg.add_argument('--save-seconds', type=float, default=45)
    arg.add_argument('--safe', action='store_true', help='no graphs, no reduced precision')
    arg.add_argument('--half', action='store_true', help='half precision, channels last and kernels of our own without measuring what is fastest')
    arg.add_argument('--plain', action='store_true', help='graphs, but neither half precision nor channels last')
    arg.add_argument('--no-end', action='store_true', help='do not measure the ends on every source')
    arg.add_argument('--fail-graph', action='store_true', help='pretend that graphs cannot be captured')
    arg.add_argument('--check', action='store_true', help='gradients and steps against step.cpp and muon.py, then end')
    return arg.parse_args()


if __name__ == '__main__':  # all this begins before torch is there: workers are forked before CUDA exists, and torch takes seconds
    OPTIONS = options()
    if not OPTIONS.check:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        POOL = multiprocessing.get_context('fork').Pool(max(2, min(15, (os.cpu_count() or 2) - 1)), end_with_parent)
        DECODING = start_decoding(POOL, OPTIONS.images, OPTIONS.limit)
        COMPILING = start_kernels(OPTIONS.networks) if OPTIONS.device == 'cuda' and not (OPTIONS.plain or OPTIONS.safe) else []

import torch
import torch.nn.functional as F

from carafe_luma import halo, initial, load_model, macs, shapes

torch.set_num_threads(1)


def say(text):
    line = f'[{time.monotonic() - BEGAN:6.1f}] {text}'
    print(line, flush=True)
    if say.file:
        say.file.write(line + '\n')
        say.file.flush()


say.file = None


# ---- images, on the GPU ----

class Images:
    """Every image of one scale: LR luma padded by replication (flat float32) and HR luma minus bicubic (flat float16), clean and then degraded."""

    def __init__(self, groups, scale, device):
        self.scale, self.device, self.groups = scale, device, groups  # groups: of images of one size, (source, indices, [n, h, w] uint8)
        self.entries = []  # source, index, version (-1: clean), h, w (LR), where in y, where in target
        y = target = 0
        for version in range(-1, VERSIONS):
            for source, indices, stack in groups:
                h, w = stack.shape[1] // scale, stack.shape[2] // scale
                for index in indices:
                    self.entries.append((source, index, version, h, w, y, target))
                    y += (h + 2 * PAD) * (w + 2 * PAD)
                    target += h * w * scale * scale
        self.y = torch.zeros(y, dtype=torch.float32, device=device)
        self.target = torch.zeros(target, dtype=torch.float16, device=device)
        self.matrices = {}
        self.generator = np.random.default_rng(scale)
        self.at = 0

    def matrix(self, size, new, **how):
        key = (size, new, *how.values())
        if key not in self.matrices:
            self.matrices[key] = torch.from_numpy(images.resize_matrix(size, new, **how)).to(self.device)
        return self.matrices[key]

    def blur(self, size, sigma):
        key = (size, sigma)
        if key not in self.matrices:
            at = np.arange(size)
            kernel = np.exp(-(at[:, None] - at[None])**2 / (2 * sigma**2))
            self.matrices[key] = torch.from_numpy(kernel / kernel.sum(1, keepdims=True)).to(self.device)
        return self.matrices[key]

    def down(self, hr, sigma=0):
        h, w = hr.shape[1:]
        rows, columns = self.matrix(h, h // self.scale), self.matrix(w, w // self.scale)
        if sigma:
            rows, columns = rows @ self.blur(h, sigma), columns @ self.blur(w, sigma)
        return (rows @ hr @ columns.t() + 0.5).floor().clamp(0, 255)

    def noise(self, shape, sigma):
        """On the CPU's generator: CUDA's belongs to graphs."""
        return torch.from_numpy(self.generator.standard_normal(shape, np.float32)).to(self.device) * sigma

    def store(self, hr, lr, rounding):
        """[n, h, w] 8-bit values. rounding: photographs' LR is rounded in each of R, G, B, which leaves luma a little between whole values."""
        lr = lr.double()
        if rounding:
            lr = lr + self.noise(lr.shape, 0.19).double().clamp(-0.5, 0.5)
        n, h, w = lr.shape
        s, y = self.scale, (lr / 255).clamp(0, 1)
        up = self.matrix(h, h * s, edge='replicate', antialias=False) @ y @ self.matrix(w, w * s, edge='replicate', antialias=False).t()
        target = (hr / 255 - up).half()
        y = F.pad(y[:, None].float(), (PAD,) * 4, mode='replicate')
        _, _, _, _, _, y_at, t_at = self.entries[self.at]
        self.y[y_at:y_at + y.numel()] = y.reshape(-1)
        self.target[t_at:t_at + target.numel()] = target.reshape(-1)
        self.at += n

    def whole(self, stack):
        s = self.scale
        return torch.from_numpy(stack[:, :stack.shape[1] // s * s, :stack.shape[2] // s * s].copy()).to(self.device).double()

    def prepare_clean(self):
        for source, _, stack in self.groups:
            for part in np.array_split(stack, max(1, stack.size // 20_000_000)):
                hr = self.whole(part)
                self.store(hr, self.down(hr), source not in ('clipart', 'ink', 'text'))

    @torch.no_grad()
    def prepare_strong(self, pool):
        """Versions as degrade.py draws them, the first half of them bad."""
        rng = self.generator
        for version in range(VERSIONS):
            bad = version < VERSIONS // 2
            jobs = []
            for source, _, stack in self.groups:
                for part in np.array_split(stack, max(1, stack.size // 10_000_000)):
                    hr = self.whole(part)
                    n = len(hr)
                    blurs, noises, qualities = (np.array(drawn) for drawn in zip(*(degrade.draw(rng, bad) for _ in range(n))))
                    lr = self.down(hr)
                    for level in set(blurs) - {0}:
                        chosen = torch.from_numpy(np.flatnonzero(blurs == level)).to(self.device)
                        lr[chosen] = self.down(hr[chosen], degrade.BLURS[level] * self.scale)
                    strength = torch.from_numpy(noises.astype(np.float32)).to(self.device)
                    lr = (lr + self.noise(lr.shape, strength[:, None, None]) + 0.5).floor().clamp(0, 255)
                    eight = lr.to(torch.uint8).cpu().numpy()
                    jobs.append((hr, pool.map_async(code, [(a, b) for a, b in zip(np.array_split(eight, min(n, 16)), np.array_split(qualities, min(n, 16)))], 1)))
                    if len(jobs) > 6:
                        self.take(jobs.pop(0))
            for job in jobs:
                self.take(job)

    def take(self, job):
        hr, result = job
        self.store(hr, torch.from_numpy(np.concatenate(result.get(120))).to(self.device), True)

    def strong_table(self, config, batch, *how):
        """Whole batches take turns: bad images, mild images."""
        bad, mild = (self.table(config, *how, versions) for versions in (range(VERSIONS // 2), range(VERSIONS // 2, VERSIONS)))
        return torch.where((torch.arange(ROWS) // batch % 2 == 0)[:, None], bad, mild)

    def table(self, config, patch, shares, seed, versions=(-1,)):
        """-> [ROWS, 6] int64: where a patch begins in y and what a step down and right adds, the same in target. Flips and turns are signs and order."""
        rng, margin = np.random.default_rng(seed), halo(config)
        full, s = patch + 2 * margin, self.scale
        by_source = {}
        for source, index, version, h, w, y, t in self.entries:
            if version in versions and index % images.KEEP_BACK != images.KEEP_BACK - 1 and min(h, w) >= patch and source in shares:
                by_source.setdefault(source, []).append((h, w, y, t))
        names = sorted(by_source)
        picked = rng.choice(len(names), ROWS, p=np.array([shares[n] for n in names]) / sum(shares[n] for n in names))
        table = np.zeros((ROWS, 6), np.int64)
        for number, name in enumerate(names):
            rows = np.flatnonzero(picked == number)
            h, w, y, t = np.array(by_source[name], np.int64)[self.choose(by_source[name], patch, len(rows), rng)].T
            top, left = (rng.random(len(rows)) * (h - patch + 1)).astype(np.int64), (rng.random(len(rows)) * (w - patch + 1)).astype(np.int64)
            flip_down, flip_right, turned = (rng.integers(0, 2, len(rows)) for _ in range(3))
            for column, (base, stride, size) in ((0, (y + (top + PAD - margin) * (w + 2 * PAD) + left + PAD - margin, w + 2 * PAD, full)), (3, (t + top * s * w * s + left * s, w * s, patch * s))):
                base = base + np.where(flip_down, (size - 1) * stride, 0) + np.where(flip_right, size - 1, 0)
                down, right = np.where(flip_down, -stride, stride), np.where(flip_right, -1, 1)
                table[rows, column:column + 3] = np.stack([base, np.where(turned, right, down), np.where(turned, down, right)], 1)
        return torch.from_numpy(table)

    def choose(self, entries, patch, count, rng):
        areas = np.cumsum([(h - patch + 1) * (w - patch + 1) for h, w, _, _ in entries])
        return np.searchsorted(areas, rng.integers(0, areas[-1], count), side='right')

    def kept_back(self, source, config, strong=False, limit=99):
        """Whole kept-back images of one size together: [(y [n, 1, ..], target [n, ..])]."""
        margin, s, by_size = halo(config), self.scale, {}
        for name, index, version, h, w, y, t in self.entries:
            if name == source and index % images.KEEP_BACK == images.KEEP_BACK - 1 and version == (0 if strong else -1):
                by_size.setdefault((h, w), []).append((y, t))
        out = []
        for (h, w), places in by_size.items():
            cut = PAD - margin
            ys = torch.stack([self.y[y:y + (h + 2 * PAD) * (w + 2 * PAD)].view(1, h + 2 * PAD, w + 2 * PAD)[:, cut:h + 2 * PAD - cut, cut:w + 2 * PAD - cut] for y, _ in places[:limit]])
            out.append((ys, torch.stack([self.target[t:t + h * w * s * s].view(h * s, w * s).float() for _, t in places[:limit]])))
        return out


# ---- a network and its step ----

class Layout:
    """All weights in one vector: body as [n, out, 3, 3, in], head, compress, encode, maps, then the biases; and each matrix's place in one
    padded batch for Muon (rows or columns of zeros change nothing in Newton-Schulz)."""

    def __init__(self, config):
        c, n, g, s, m = (config[k] for k in ('channels', 'body', 'groups', 'scale', 'cMid'))
        kernels = g * config['kUp']**2 * s * s
        self.parts, self.total = {}, 0
        for name, shape in (('body.weights', (n, c, 3, 3, c)), ('head.weights', (c, 3, 3, 1)), ('compress.weights', (m, c)), ('encode.weights', (kernels, m or c)),
                            ('maps.weights', (g, 3, 3, c)), ('head.bias', (c,)), ('body.bias', (n, c)), ('encode.bias', (kernels,)), ('maps.bias', (g,))):  # in this order all but the last begin on 16 bytes
            if name == 'head.bias':
                self.matrices = self.total
            if 0 not in shape:
                self.parts[name] = (self.total, shape)
                self.total += int(np.prod(shape))
        tables = []
        for name, (at, shape) in self.parts.items():
            if name.endswith('weights'):
                for one in np.arange(at, at + np.prod(shape)).reshape((n, c, -1) if name == 'body.weights' else (1, shape[0], -1)):
                    tables.append(one.T if one.shape[0] > one.shape[1] else one)
        rows, columns = max(len(t) for t in tables), max(t.shape[1] for t in tables)
        batch = np.full((len(tables), rows, columns), self.matrices, np.int64)
        self.factor = np.zeros(self.matrices, np.float32)
        for one, t in zip(batch, tables):
            one[:t.shape[0], :t.shape[1]] = t
            self.factor[t] = 0.2 * max(t.shape)**0.5
        self.place = batch
        self.back = np.zeros(self.matrices + 1, np.int64)
        self.back[batch.reshape(-1)] = np.arange(batch.size)
        self.back = self.back[:-1]

    def split(self, flat):
        return {name: flat[at:at + int(np.prod(shape))].view(shape) for name, (at, shape) in self.parts.items()}

    def flat(self, weights):
        """The dict of a .safetensors (OIHW) -> the vector."""
        out = torch.zeros(self.total)
        views = self.split(out)
        for name, view in views.items():
            if name.startswith('body'):
                for i, one in enumerate(view):
                    value = weights[f'body.{i}.{name[5:]}']
                    one.copy_(value.permute(0, 2, 3, 1) if value.ndim == 4 else value)
            else:
                value = weights[name]
                view.copy_(value.permute(0, 2, 3, 1).reshape(view.shape) if value.ndim == 4 else value)
        return out

    def dict(self, flat):
        """The vector -> the dict of a .safetensors."""
        out, views = {}, self.split(flat.detach().float().cpu())
        for name, view in views.items():
            if name == 'body.weights':
                out.update({f'body.{i}.weights': one.permute(0, 3, 1, 2).contiguous() for i, one in enumerate(view)})
            elif name == 'body.bias':
                out.update({f'body.{i}.bias': one.clone() for i, one in enumerate(view)})
            elif name in ('compress.weights', 'encode.weights'):
                out[name] = view[:, :, None, None].clone()
            else:
                out[name] = view.permute(0, 3, 1, 2).contiguous() if view.ndim == 4 else view.clone()
        return out


def begin(config, start, models, seed):
    """Weights to begin with: what fits of the models named, in order; body convolutions they lack are zero, which is the identity."""
    weights = initial(config, seed)
    if start:
        for i in range(config['body']):
            weights[f'body.{i}.weights'].zero_()
        for name in reversed(start):
            for key, value in load_model(name if name.endswith('.safetensors') else os.path.join(models, name + '.safetensors'))[0].items():
                if key not in weights:
                    continue
                if weights[key].shape == value.shape:
                    weights[key] = value.clone()
                elif key == 'compress.weights':
                    weights[key][:len(value)] = value
                elif key == 'encode.weights' and value.shape[0] == weights[key].shape[0] and value.shape[1] < weights[key].shape[1]:
                    weights[key].zero_()
                    weights[key][:, :value.shape[1]] = value
    return weights


KERNELS = None  # gpu_kernels, where it works
CROP_EVERY = 6  # body convolutions are padded so that their shapes are few; their spoilt borders are cut after so many


class Crop(torch.autograd.Function):
    """Whole rows and columns off each side, with memory laid out as asked both ways."""

    @staticmethod
    def forward(context, x, cut, layout):
        context.shape, context.cut, context.layout = x.shape, cut, layout
        return x[:, :, cut:-cut, cut:-cut].contiguous(memory_format=layout)

    @staticmethod
    def backward(context, g):
        cut = context.cut
        out = torch.empty(context.shape, dtype=g.dtype, device=g.device, memory_format=context.layout).zero_()
        out[:, :, cut:-cut, cut:-cut] = g
        return out, None, None


class Windows(torch.autograd.Function):
    """[b, g, h + 2r, w + 2r] -> [b, g, k * k, h, w]: what lies under each tap."""

    @staticmethod
    def forward(context, maps, k):
        context.k, h, w = k, maps.shape[2] - k + 1, maps.shape[3] - k + 1
        return torch.stack([maps[:, :, i:i + h, j:j + w] for i in range(k) for j in range(k)], 2)

    @staticmethod
    def backward(context, g):
        b, groups, _, h, w = g.shape
        k = context.k
        out = torch.zeros(b, groups, h + k - 1, w + k - 1, dtype=g.dtype, device=g.device)
        for i in range(k):
            for j in range(k):
                out[:, :, i:i + h, j:j + w] += g[:, :, i * k + j]
        return out, None


class Mode(typing.NamedTuple):
    half: bool = False  # the body's convolutions in half precision
    last: bool = False  # channels last
    fused: bool = False  # gpu_kernels.py for what is not a convolution or product


def leaves_of(layout, flat, mode):
    """Leaf tensors of the vector: for each body convolution a weight in half or full precision (channels last or not), and the rest."""
    views = layout.split(flat)
    body, bias = views['body.weights'], views['body.bias']
    if mode.half:
        body, bias = body.half(), bias if mode.fused else bias.half()
    leaves = {}
    for i in range(body.shape[0]):
        one = body[i].permute(0, 3, 1, 2)
        leaves[f'body.{i}'] = (one if mode.last else one.contiguous()).detach().requires_grad_()
    for i in range(body.shape[0]):
        leaves[f'bias.{i}'] = bias[i].detach().requires_grad_()
    for name, view in views.items():
        if not name.startswith('body'):
            leaves[name] = view.detach().requires_grad_()
    return leaves


def residual(leaves, y, config, mode):
    """y [b, 1, p, p] -> [b, s*s, n, n]: the sub-pixels of what is added to the bicubic."""
    c, g, k, s, slope, n = (config[name] for name in ('channels', 'groups', 'kUp', 'scale', 'slope', 'body'))
    layout = torch.channels_last if mode.last else torch.contiguous_format
    h = F.leaky_relu(F.conv2d(y, leaves['head.weights'].permute(0, 3, 1, 2), leaves['head.bias']), slope)
    if mode.half:
        h = h.half()
    h = h.contiguous(memory_format=layout)
    done = 0
    for i in range(n):
        if mode.fused:
            h = KERNELS.Body.apply(F.conv2d(h, leaves[f'body.{i}'], None, padding=1), leaves[f'bias.{i}'], h, slope)
        else:
            h = F.leaky_relu(F.conv2d(h, leaves[f'body.{i}'], leaves[f'bias.{i}'], padding=1), slope) + h
        if (i + 1) % CROP_EVERY == 0 or i == n - 1:
            h, done = Crop.apply(h, i + 1 - done, layout), i + 1
    h = h.float()
    maps = F.conv2d(h, leaves['maps.weights'].permute(0, 3, 1, 2), leaves['maps.bias'])
    r = k // 2
    b, _, hh, ww = maps.shape
    hh, ww = hh - 2 * r, ww - 2 * r
    inner = Crop.apply(h, 1 + r, torch.contiguous_format).view(b, c, hh * ww)
    matrix = leaves['encode.weights'] @ leaves['compress.weights'] if 'compress.weights' in leaves else leaves['encode.weights']
    logits = torch.bmm(matrix.expand(b, *matrix.shape), inner)
    if mode.fused:
        return KERNELS.Carafe.apply(logits, leaves['encode.bias'], maps, s * s).view(b, s * s, hh, ww)
    kernels = (logits + leaves['encode.bias'][:, None]).view(b, g, k * k, s * s, hh * ww).softmax(2)
    windows = Windows.apply(maps, k).view(b, g, k * k, 1, hh * ww)
    return (windows * kernels).sum((1, 2)).view(b, s * s, hh, ww)


TENSORS = ('flat', 'momentum', 'mean', 'square', 'ema', 'state', 'row', 'scale', 'clean', 'places')  # what a step changes


class Trainer:
    """One network: weights, momentum, EMA and the step that changes them, all on the device, without a wait for the host."""

    def __init__(self, name, spec, weights, device):
        self.name, self.config, self.batch, self.patch = name, spec['config'], spec['batch'], spec['patch']
        self.device, self.spec, self.layout = device, spec, Layout(spec['config'])
        assert ROWS % (2 * self.batch) == 0
        to = lambda x: torch.as_tensor(x).to(device)
        self.flat = to(self.layout.flat(weights))
        self.momentum = torch.zeros(self.layout.matrices, device=device)
        self.mean, self.square = (torch.zeros(self.layout.total - self.layout.matrices, device=device) for _ in range(2))
        self.ema = self.flat.clone()
        self.clean = self.flat.clone()  # the other end of the dial, and the places on it that batches train in turn
        self.places = torch.ones(2, device=device)
        self.state = torch.zeros(4, device=device)  # steps, usual norm, loss (a running mean), steps that were not finite
        self.scale = torch.full((), SCALE_FP16, device=device)
        self.lr = torch.zeros((), device=device)
        self.row = torch.zeros((), dtype=torch.int64, device=device)
        self.lane = torch.arange(self.batch, device=device)
        self.rows = torch.zeros(ROWS, 6, dtype=torch.int64, device=device)
        self.place, self.back, self.factor = to(self.layout.place), to(self.layout.back), to(self.layout.factor)
        full, n, s = self.patch + 2 * halo(self.config), self.patch, self.config['scale']
        at = torch.arange(full, device=device)
        self.y_down, self.y_right = at.view(1, full, 1), at.view(1, 1, full)
        down = (torch.arange(n)[None] * s + torch.arange(s)[:, None])  # [sub-pixel, LR pixel] -> HR pixel
        self.t_down = to(down).view(1, s, 1, n, 1).expand(1, s, s, n, 1).reshape(1, s * s, n, 1).contiguous()
        self.t_right = to(down).view(1, 1, s, 1, n).expand(1, s, s, 1, n).reshape(1, s * s, 1, n).contiguous()
        self.mode = Mode()
        self.graph = self.stream = None
        self.done, self.phase, self.finished, self.began = 0, 'clean', False, 0.0
        self.ends, self.lines, self.rate = {}, [], 0.0

    def reset(self):
        for x in (self.momentum, self.mean, self.square, self.state, self.row):
            x.zero_()
        self.scale.fill_(SCALE_FP16)
        self.ema.copy_(self.flat)

    def patches(self):
        row = self.rows.index_select(0, (self.row * self.batch + self.lane) % ROWS)
        one = lambda i, dims: row[:, i].view(-1, *(1,) * dims)
        y = self.data.y[one(0, 2) + one(1, 2) * self.y_down + one(2, 2) * self.y_right]
        target = self.data.target[one(3, 3) + one(4, 3) * self.t_down + one(5, 3) * self.t_right]
        return y[:, None], target.float()

    def gradient(self, y, target):
        """-> loss, gradient of the vector."""
        place = self.places.index_select(0, (self.row % 2).view(1))
        leaves = leaves_of(self.layout, torch.lerp(self.clean, self.flat, place), self.mode)
        scale = self.scale if self.mode.half else 1.0
        with torch.enable_grad():
            error = residual(leaves, y, self.config, self.mode) - target
            loss = ((error * error).mean((1, 2, 3)) + LOG_OFFSET).log().mean()
            grads = dict(zip(leaves, torch.autograd.grad(loss * scale, list(leaves.values()))))
        n = self.config['body']
        body = torch.cat([grads[f'body.{i}'].permute(0, 2, 3, 1).reshape(-1) for i in range(n)])
        bias = torch.cat([grads[f'bias.{i}'] for i in range(n)])
        parts = {'body.weights': body.float(), 'body.bias': bias.float()}
        flat = torch.cat([(parts[name] if name in parts else grads[name].reshape(-1)) for name in self.layout.parts])
        return loss.detach(), flat * (place / scale)

    def update(self, loss, gradient):
        steps, usual = self.state[0], self.state[1]
        norm = gradient.norm()
        fine = torch.isfinite(norm)
        limit = torch.where(steps > 100, 3 * usual, torch.full_like(usual, math.inf))
        gradient = torch.where(fine, gradient * (limit / (norm + 1e-6)).clamp(max=1), torch.zeros_like(gradient))
        usual_now = torch.where(steps == 0, norm, 0.99 * usual + 0.01 * torch.minimum(norm, 4 * usual))
        decay = torch.clamp((1 + steps) / (10 + steps), max=0.999)
        self.ema.lerp_(self.flat, 1 - decay)

        split = self.layout.matrices
        matrices, biases = gradient[:split], gradient[split:]
        self.momentum.mul_(0.95).add_(matrices)
        u = F.pad(torch.add(matrices, self.momentum, alpha=0.95), (0, 1))[self.place]
        u = u / (u.norm(dim=(1, 2), keepdim=True) + 1e-12)
        for _ in range(5):
            a = u @ u.transpose(1, 2)
            u = torch.baddbmm(u, torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315), u, beta=3.4445)
        rate = self.lr * fine
        self.flat[:split].sub_(u.reshape(-1)[self.back] * self.factor * rate)
        self.mean.mul_(0.9).add_(biases, alpha=0.1)
        self.square.mul_(0.999).addcmul_(biases, biases, value=0.001)
        number = steps + 1
        step = (self.mean / (1 - 0.9**number)) / ((self.square / (1 - 0.999**number)).sqrt() + 1e-12)
        self.flat[split:].sub_(step * rate)

        seen = torch.where(steps == 0, loss, 0.99 * self.state[2] + 0.01 * loss)
        self.state.copy_(torch.stack([number, torch.where(fine, usual_now, usual), torch.where(fine, seen, self.state[2]), self.state[3] + 1 - fine.float()]))
        if self.mode.half:
            self.scale.copy_(torch.where(fine, (self.scale * 1.002).clamp(max=SCALE_FP16), self.scale / 2))
        self.row.add_(1)

    @torch.no_grad()
    def step(self):
        y, target = self.patches()
        self.update(*self.gradient(y, target))

    def capture(self, fail=False):
        """A CUDA graph of one step; None and a plain step where that fails."""
        self.graph = None
        try:
            if fail:
                raise RuntimeError('asked to fail')
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                for _ in range(3):
                    self.step()
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode='thread_local'):
                self.step()
            self.graph = graph
        except Exception as error:
            say(f'{self.name}: no CUDA graph ({type(error).__name__}: {str(error)[:300]}); steps run plainly')
            if self.device.type == 'cuda':
                torch.cuda.synchronize()

    def run_once(self):
        self.graph.replay() if self.graph else self.step()

    @torch.no_grad()
    def psnr(self, flat, pairs):
        """Mean luma PSNR in dB over whole images, border of `scale` shaved, 16..235 without rounding: train.py's."""
        leaves, s, scores = leaves_of(self.layout, flat, Mode()), self.config['scale'], []
        for y, target in pairs:
            for i in range(0, len(y), 5):
                got = F.pixel_shuffle(residual(leaves, y[i:i + 5], self.config, Mode()), s)[:, 0]
                error = ((got - target[i:i + 5]) * (219 / 255))[:, s:-s, s:-s]
                scores.append(-10 * (error * error).mean((1, 2)).clamp(min=1e-10).log10())
        return float(torch.cat(scores).mean()) if scores else float('nan')

    def saved(self):
        return {key: getattr(self, key).cpu() for key in TENSORS} | {
            'done': self.done, 'phase': self.phase, 'began': self.began, 'ends': self.ends}

    def restore(self, saved):
        for key in TENSORS:
            getattr(self, key).copy_(saved[key])
        self.done, self.phase, self.began, self.ends = (saved[key] for key in ('done', 'phase', 'began', 'ends'))
        self.finished = 'strong' in self.ends


class Clock:
    """Seconds really running: a gap of more than two between beats was a stop and does not count."""

    def __init__(self, path):
        self.path = path  # where it is kept, so that a process that ends badly cannot lengthen the run
        self.active, self.last = time.monotonic() - BEGAN, time.monotonic()
        if os.path.exists(path):
            with open(path) as file:
                self.active += float(file.read())
        threading.Thread(target=self.beat, daemon=True).start()

    def beat(self):
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            if now - self.last < 2:
                self.active += now - self.last
            self.last = now
            with contextlib.suppress(OSError):
                with open(self.path + '.part', 'w') as file:
                    file.write(f'{self.active:.1f}')
                os.replace(self.path + '.part', self.path)


# ---- the run ----

def finish_kernels(processes, device):
    global KERNELS
    try:
        limit = time.monotonic() + 25
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, limit - time.monotonic()))
            process.kill()
        import gpu_kernels
        gpu_kernels.agree(device, half=True)
        KERNELS = gpu_kernels
        say('kernels agree with torch')
    except Exception as error:
        say(f'without kernels of our own ({type(error).__name__}: {str(error)[:300]})')


def choose_mode(trainer, seconds):
    """The fastest way whose loss and gradient agree with full precision's."""
    best, report = None, []
    y, target = trainer.patches()
    trainer.mode, measured = Mode(), torch.backends.cudnn.benchmark
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = False
    expected, exact = trainer.gradient(y, target)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = measured
    for mode in (Mode(False, True, False), Mode(False, True, True), Mode(True, True, True), Mode(True, True, False)):
        if mode.fused and not KERNELS or mode == Mode(True, True, False) and KERNELS:
            continue
        try:
            trainer.mode = mode
            loss, gradient = trainer.gradient(y, target)
            off, angle = abs(float(loss - expected)), float(F.cosine_similarity(gradient, exact, 0))
            trainer.capture()
            torch.cuda.synchronize()
            began, count = time.monotonic(), 0
            with torch.cuda.stream(trainer.stream):
                while time.monotonic() - began < seconds:
                    for _ in range(10):
                        trainer.run_once()
                    count += 10
                    torch.cuda.synchronize()
            rate = count / (time.monotonic() - began)
            good = off < 0.02 and angle > 0.99
            report.append(f'{mode} {rate:.0f}/s loss off {off:.1e} angle {angle:.5f}{"" if good else " (not taken)"}')
            if good and (best is None or rate > best[0] * (1.1 if mode.half and not best[1].half else 1)):  # half has to be worth it
                best = (rate, mode)
        except Exception as error:
            report.append(f'{mode} failed: {str(error)[:200]}')
            torch.cuda.synchronize()
        trainer.graph = None
    say(f'{trainer.name}: ' + '; '.join(report))
    return best[1] if best else Mode()


def drive(trainer, clock, shared, o):
    """One network's thread: clean end by the clock, then the strong one."""
    device = trainer.device
    context = torch.cuda.stream(trainer.stream) if trainer.stream else contextlib.nullcontext()
    events, paced = [], None  # for the cap: when and at which step this phase began, or went on
    with context:
        while not shared['stop'] and not trainer.finished:
            now = clock.active
            first, last = shared['start'], shared['end']
            middle = first + (last - first) * o.clean_share * trainer.spec['clean']
            if trainer.phase == 'clean' and now >= middle:
                if trainer.stream:
                    trainer.stream.synchronize()
                trainer.ends['clean'] = (trainer.ema.cpu().clone(), trainer.done)
                trainer.flat.copy_(trainer.ema)
                trainer.clean.copy_(trainer.ema)
                trainer.places.copy_(torch.tensor(degrade.PLACES))
                trainer.rows.copy_(trainer.strong_rows)
                trainer.reset()
                trainer.phase, trainer.done, trainer.began, paced = 'strong', 0, now, None
            if now >= last:
                if trainer.stream:
                    trainer.stream.synchronize()
                trainer.ends[trainer.phase] = (trainer.ema.cpu().clone(), trainer.done)
                trainer.finished = True
                break
            begin_at, end_at, top = (first, middle, trainer.spec['lr']) if trainer.phase == 'clean' else (trainer.began, last, trainer.spec['strong_lr'])
            progress = min(1.0, max(0.0, (now - begin_at) / max(1e-6, end_at - begin_at)))
            trainer.rate = (1e-6 + (top - 1e-6) * 0.5 * (1 + math.cos(math.pi * progress))) * min(1, (trainer.done + 1) / 100)
            paced = paced or (now, trainer.done)
            if trainer.done - paced[1] > 100 + trainer.spec['cap'] * (now - paced[0]):
                time.sleep(0.004)
                shared['beat'] = time.monotonic()
                continue
            trainer.lr.fill_(trainer.rate)
            for _ in range(o.burst):
                trainer.run_once()
            trainer.done += o.burst
            shared['beat'] = time.monotonic()
            if trainer.stream:
                event = torch.cuda.Event(blocking=True)
                event.record()
                events.append(event)
                if len(events) > 3:
                    events.pop(0).synchronize()
            if o.pause:
                time.sleep(o.pause)
        if trainer.stream:
            trainer.stream.synchronize()


def save(path, value):
    torch.save(value, path + '.part')
    os.replace(path + '.part', path)


def save_ends(path, trainers):
    """All networks in one small file: for each its configuration and, as named float32 tensors, the ends there are (the running one from the EMA)."""
    out = {}
    for t in trainers:
        ends = {key: {'weights': t.layout.dict(flat), 'steps': steps} for key, (flat, steps) in t.ends.items()}
        if t.phase not in ends:
            ends[t.phase] = {'weights': t.layout.dict(t.ema), 'steps': t.done, 'unfinished': True}
        out[t.name] = {'config': t.config, 'ends': ends, 'log': t.lines, 'batch': t.batch, 'patch': t.patch}
    save(path, out)


def load_images(jobs):
    """-> groups (source, indices, [n, h, w] uint8) of images of one size."""
    groups = []
    for source, job in jobs:
        by_size = {}
        for index, image in enumerate(job.get(120)):
            by_size.setdefault(image.shape, []).append((index, image))
        for pairs in by_size.values():
            groups.append((source, [index for index, _ in pairs], np.stack([image for _, image in pairs])))
    return groups


def main():
    o = OPTIONS
    if o.check:
        return check()
    os.makedirs(o.out, exist_ok=True)
    say.file = open(os.path.join(o.out, 'gpu.log'), 'a')
    shared = {'stop': False, 'beat': time.monotonic(), 'training': False}
    signal.signal(signal.SIGTERM, lambda *_: shared.update(stop=True))
    path, resume = os.path.join(o.out, 'ends.pt'), os.path.join(o.out, 'resume.pt')
    saved = torch.load(resume) if os.path.exists(resume) else None
    clock = Clock(os.path.join(o.out, 'clock'))
    device = torch.device(o.device)
    cuda = device.type == 'cuda'
    say(f'torch {torch.__version__}, {torch.cuda.get_device_name() if cuda else "CPU"}, {os.cpu_count()} cores, {len(o.networks)} networks, {o.seconds:.0f} s' + (f', goes on after {clock.active:.0f} s' if saved else ''))
    if cuda:
        torch.backends.cudnn.benchmark_limit = 6
        if not o.safe:
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True

    def watch():
        while not shared['training']:
            time.sleep(1)
            if clock.active - first_active > 90 or shared['stop']:
                say('not ready after 90 s, or asked to stop before: giving up this process')
                os._exit(0 if shared['stop'] else 5)

    first_active = clock.active
    if cuda:
        threading.Thread(target=watch, daemon=True).start()
    groups = load_images(DECODING)
    say(f'{sum(len(g[1]) for g in groups)} images, {sum(g[2].size for g in groups) / 1e6:.0f} megapixels, {len(groups)} groups')
    specs = {name: dict(NETWORKS[name]) for name in o.networks}
    for spec in specs.values():
        spec['batch'], spec['patch'] = o.batch or spec['batch'], o.patch or spec['patch']
    data = {scale: Images(groups, scale, device) for scale in sorted({spec['config']['scale'] for spec in specs.values()})}
    workers = concurrent.futures.ThreadPoolExecutor(4)
    tables, strong_tables = {}, {}
    for number, (name, spec) in enumerate(specs.items()):
        tables[name] = workers.submit(data[spec['config']['scale']].table, spec['config'], spec['patch'], SHARES, number)
        strong_tables[name] = workers.submit(data[spec['config']['scale']].strong_table, spec['config'], spec['batch'], spec['patch'], STRONG_SHARES, 1000 + number)
    for scale, one in data.items():
        one.prepare_clean()
        say(f'x{scale}: clean images prepared')
        one.prepare_strong(POOL)  # before training: beside the networks' threads this took 180 seconds instead of 20
        say(f'x{scale}: degraded images prepared')

    if COMPILING:
        finish_kernels(COMPILING, device)
    trainers, modes = [], {}
    for number, (name, spec) in enumerate(specs.items()):
        t = Trainer(name, spec, begin(spec['config'], [name] if o.start is None else o.start, o.models, number), device)
        t.data = data[spec['config']['scale']]
        t.rows.copy_(tables[name].result())
        t.strong_rows = strong_tables[name].result().to(device)
        if cuda:
            try:
                t.stream = torch.cuda.Stream(priority=spec['priority'])
            except Exception:
                t.stream = torch.cuda.Stream()
        if cuda and not o.safe:
            channels = max(16, spec['config']['channels'])  # steps of the small ones wait for launches, not for sums
            torch.backends.cudnn.benchmark = spec['config']['channels'] >= 16 and clock.active - first_active < 75
            kept = {key: getattr(t, key).clone() for key in TENSORS}
            if channels not in modes:
                modes[channels] = Mode() if o.plain else Mode(True, True, bool(KERNELS)) if o.half else choose_mode(t, 0.5)
                for key, value in kept.items():
                    getattr(t, key).copy_(value)
            t.mode = modes[channels]
            t.capture(o.fail_graph)
            if not t.graph and t.mode != Mode() and not o.fail_graph:
                t.mode = Mode()
                t.capture()
            for key, value in kept.items():
                getattr(t, key).copy_(value)
        elif o.fail_graph:
            t.capture(True)
        if saved and name in saved['networks']:
            t.restore(saved['networks'][name])
            if t.phase == 'strong':
                t.rows.copy_(t.strong_rows)
        trainers.append(t)
        say(f'{name}: {sum(macs(t.config).values())} multiply-adds, batch {t.batch} x {t.patch}, {"graph" if t.graph else "plain"}, {t.mode}')
    if cuda:
        torch.cuda.synchronize()
        torch.backends.cudnn.benchmark = False
        say(f'GPU memory {torch.cuda.memory_allocated() / 2**30:.1f} GiB, reserved {torch.cuda.memory_reserved() / 2**30:.1f}')

    shared['training'] = True
    shared['start'] = saved['start'] if saved else clock.active
    shared['end'] = o.seconds - (3 if cuda else 1)
    failed = []

    def guarded(t):
        try:
            drive(t, clock, shared, o)
        except Exception:
            say(f'{t.name} failed:\n{traceback.format_exc()}')
            failed.append(t.name)
            if cuda:
                shared.update(stop=True)

    threads = [threading.Thread(target=guarded, args=(t,), daemon=True) for t in trainers]
    for thread in threads:
        thread.start()
    say(f'training starts, {shared["end"] - shared["start"]:.0f} s of it, clean ends for {o.clean_share:.0%}')

    last_log = last_save = clock.active
    before = {t.name: (t.phase, t.done) for t in trainers}
    best = torch.cuda.Stream(priority=-3) if cuda else None
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        if cuda and not shared['stop'] and time.monotonic() - shared['beat'] > 20 and time.monotonic() - clock.last < 1:
            say('no network has stepped for 20 s: giving up this process')
            os._exit(3)
        if clock.active - last_log >= o.log_seconds:
            span, last_log = clock.active - last_log, clock.active
            report(trainers, data, before, span, clock, shared, best)
        if clock.active - last_save >= o.save_seconds:
            last_save = clock.active
            with torch.cuda.stream(best) if best else contextlib.nullcontext():
                save_ends(path, trainers)
                save(resume, {'start': shared['start'], 'networks': {t.name: t.saved() for t in trainers}})
    if failed and cuda:
        say('failed: ' + ' '.join(failed))
        os._exit(4)
    save_ends(path, trainers)
    save(resume, {'start': shared['start'], 'networks': {t.name: t.saved() for t in trainers}})
    say('saved')
    if not (shared['stop'] or o.no_end):
        final(trainers, data)
        save_ends(path, trainers)
    say('end')
    os._exit(0)  # POOL.terminate() would wait for workers that a signal to the group has ended


def report(trainers, data, before, span, clock, shared, stream):
    say(f'{shared["end"] - clock.active:.0f} s left')
    for t in trainers:
        with torch.cuda.stream(stream) if stream else contextlib.nullcontext():
            phase, done = before[t.name]
            steps = t.done - done if t.phase == phase else t.done
            before[t.name] = (t.phase, t.done)
            strong = t.phase == 'strong'
            try:
                score = t.psnr(t.ema, t.data.kept_back('bsds400', t.config, strong))
                loss, bad = t.state[2:].tolist()
            except Exception as error:
                say(f'{t.name}: not measured: {str(error)[:200]}')
                continue
        line = f'{t.phase} step {t.done} lr {t.rate:.2e} loss {loss:.4f} photographs {score:.3f}' + (f' not finite {bad:.0f}' if bad else '')
        t.lines.append(f'{clock.active:.0f} s {line}')
        say(f'  {t.name:9} {line} ({steps / span:.1f} steps/s)')


def final(trainers, data):
    """Each end on every kept-back source."""
    for t in trainers:
        for end, (flat, steps) in t.ends.items():
            flat = flat.to(t.device)
            scores = ' '.join(f'{source} {t.psnr(flat, t.data.kept_back(source, t.config, end == "strong")):.3f}' for source in SHARES)
            t.lines.append(f'end {end} step {steps} kept-back {scores}')
            say(f'  {t.name:9} {t.lines[-1]}')


def check():
    """On a CPU: the gradient is step.cpp's, one update is muon.py's, flips keep y and target together."""
    from muon import Muon
    from step import Step
    from carafe_luma import residual as plain
    for name, spec in NETWORKS.items():
        config = spec['config']
        spec = {**spec, 'batch': 3, 'patch': 12}  # ROWS is a multiple of 6
        weights = initial(config, 3)
        if config['channels'] == 32:
            weights['body.2.weights'].zero_()
        t = Trainer(name, spec, weights, torch.device('cpu'))
        for key, value in t.layout.dict(t.flat).items():
            assert torch.equal(value, weights[key]), key
        generator = torch.Generator().manual_seed(5)
        y = torch.rand(3, 1, *(12 + 2 * halo(config),) * 2, generator=generator)
        target = torch.randn(3, 12 * config['scale'], 12 * config['scale'], generator=generator) * 0.1
        values = [value.requires_grad_() for value in weights.values()]
        expected = Step(config, '/tmp/gpu-check').backward(weights, y[:, 0].numpy(), target.numpy(), 'psnr')
        folded = F.pixel_unshuffle(target[:, None], config['scale'])
        for t.mode in (Mode(), Mode(last=True)):
            with torch.no_grad():
                loss, gradient = t.gradient(y, folded)
            got = t.layout.dict(gradient)
            worst = max(float((got[key] - value.grad).norm() / value.grad.norm()) for key, value in weights.items())  # a kink of the ReLU may flip by rounding
            assert abs(float(loss) - expected) < 1e-5 * abs(expected) and worst < 1e-3, (name, float(loss), expected, worst)
        optimizer, usual = Muon(values, 5e-3), 0.0
        t.lr.fill_(5e-3)
        for i in range(3):
            with torch.no_grad():
                loss, gradient = t.gradient(y, folded)
                t.update(loss, gradient)
            for key, value in weights.items():
                value.grad = None
            Step(config, '/tmp/gpu-check').backward(weights, y[:, 0].numpy(), target.numpy(), 'psnr')
            optimizer.step()
        moved = max(float((t.layout.dict(t.flat)[key] - value).abs().max()) for key, value in weights.items())
        assert moved < 1e-3, (name, moved)
        print(f'{name}: gradient as step.cpp {worst:.1e}, three steps as muon.py {moved:.1e}, {sum(macs(config).values())} multiply-adds')
    # patches: the target of a patch belongs to its y, under each flip and turn
    rng = np.random.default_rng(1)
    smooth = np.stack([np.asarray(Image.fromarray(rng.integers(0, 256, (9, 13), dtype=np.uint8)).resize((117, 96), Image.BICUBIC)) for _ in range(4)])
    for scale in (2, 3):
        one = Images([('bsds400', [0, 1, 2, 3], smooth)], scale, torch.device('cpu'))
        one.prepare_clean()
        spec = {**NETWORKS[f'tiny-x{scale}'], 'batch': 16, 'patch': 12}
        t = Trainer('x', spec, initial(spec['config']), torch.device('cpu'))
        t.data = one
        t.rows.copy_(one.table(t.config, 12, SHARES, 7))
        for _ in range(8):
            y, target = t.patches()
            m = halo(t.config)
            target = F.pixel_shuffle(target, scale)[:, 0].numpy()
            for a, b in zip(y[:, 0].double().numpy(), target):
                hr = b + images.upscale_bicubic(a, scale)[m * scale:-m * scale, m * scale:-m * scale]
                low = images.resize(hr, 12, 12)[3:-3, 3:-3]
                assert np.abs(low - a[m + 3:-m - 3, m + 3:-m - 3]).max() < 0.02, np.abs(low - a[m + 3:-m - 3, m + 3:-m - 3]).max()
            t.row.add_(1)
        pairs = [(torch.rand(1, 1, 30 + 2 * m, 26 + 2 * m), torch.rand(1, 30 * scale, 26 * scale))]
        weights = t.layout.dict(t.flat)
        want = ((plain(weights, pairs[0][0], t.config)[:, 0] - pairs[0][1]) * (219 / 255))[0, scale:-scale, scale:-scale].pow(2).mean().log10() * -10
        assert abs(t.psnr(t.flat, pairs) - float(want)) < 1e-3
    print('patches and PSNR agree')


if __name__ == '__main__':
    main()
