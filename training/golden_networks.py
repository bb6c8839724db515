"""Golden vectors of whole networks from torch in float64, for test/golden/networks.safetensors; and a detector's
checkpoint with two of them, `neck` and `roi_head.mask_head`, for test/golden/checkpoints/detector.pth.

  python3 golden_networks.py [--out ../test/golden]

The modules are those of architectures.py. Weights and inputs are drawn from their names
(`drawn`, which test/conformance/golden-networks.ts repeats), so that the file holds what comes out and nothing else:
F32 tensors `<case>/<output>`, `__metadata__.cases` = JSON array of {name, params}.
"""
import argparse
import os
import zlib

import numpy as np
import torch

from architectures import KINDS, Fpn, GlobalLocal, InpaintingUNet, MaskHead, PartialConv, UperNet
from golden import HERE, Golden


def uniform(name, count):
    """Values in -1..1 of 24 bits, by murmur3's finaliser of crc32(name) + i * golden ratio."""
    h = (np.uint64(zlib.crc32(name.encode())) + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B1)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, None)):
        h ^= h >> np.uint64(shift)
        if factor:
            h = (h * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def drawn(name, shape):
    """A tensor by its name, rounded to F32: weights such that maps stay about as large as they are; masks of 0 and 1."""
    u = uniform(name, int(np.prod(shape)))
    if name.endswith('running_var'):
        u = 0.6 + 0.5 * u
    elif len(shape) == 4 and name.endswith('weight'):
        u = u * np.sqrt(3 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith('bn.weight'):
        u = 1 + 0.3 * u
    elif name.startswith('mask'):
        u = (u > -0.2).astype(np.float64)
    elif not name.startswith('input'):
        u = 0.3 * u
    return torch.from_numpy(u.astype(np.float32).astype(np.float64).reshape(shape))


def pyramid(ins, h, w, n=1):
    shapes = []
    for c in ins:
        shapes.append([n, c, h, w])
        h, w = (h + 1) // 2, (w + 1) // 2
    return shapes


def cases():
    out = Golden('networks')

    def add(name, network, module, shapes, masks=(), step=1, **settings):
        module.eval()
        state = module.state_dict()
        state = {key: drawn(key, tuple(value.shape)) for key, value in state.items() if not key.endswith('num_batches_tracked')}
        module.load_state_dict(state, strict=False)
        inputs = [drawn(f'input{i}', shape) for i, shape in enumerate(shapes)] + [drawn(f'mask{i}', shape) for i, shape in enumerate(masks)]
        with torch.no_grad():
            outputs = module([x for x in inputs])
        # Of large outputs only every step-th value; their shapes are all there.
        out.case(name, {'network': network, 'settings': settings, 'tensors': {key: list(value.shape) for key, value in state.items()},
                        'inputs': shapes, 'masks': list(masks), 'outputs': [list(y.shape) for y in outputs], 'step': step},
                 **{f'y{i}': y.flatten()[::step] for i, y in enumerate(outputs)})

    ins = [6, 8, 12]
    fpn = {'order': 'conv-norm-act', 'activation': 'none', 'startLevel': 0}
    for kind in KINDS:
        add(f'fpn {kind}', 'fpn', Fpn(ins, 8, kind), pyramid(ins, 9, 13), **{**fpn, 'upsampler': kind})
    add('fpn norm, activation', 'fpn', Fpn(ins, 8, 'carafe', norm=True, act='relu'), pyramid(ins, 9, 13), **{**fpn, 'activation': 'relu', 'upsampler': 'carafe'})
    for kind in ('carafe', 'deconv'):
        add(f'fpn activation first, two extra levels, {kind}', 'fpn', Fpn(ins, 8, kind, extra=2, norm=True, act='relu', order='act-conv-norm'), pyramid(ins, 18, 21),
            **{**fpn, 'order': 'act-conv-norm', 'activation': 'relu', 'upsampler': kind})
    add('fpn from level 1, an extra level, batch of 2', 'fpn', Fpn(ins, 8, 'carafe', extra=1, start=1), pyramid(ins, 10, 8, 2), **{**fpn, 'startLevel': 1, 'upsampler': 'carafe'})
    add('fpn groups, kernel 3', 'fpn', Fpn(ins, 8, 'carafe', groups=2, k_up=3, k_enc=1), pyramid(ins, 6, 5), **{**fpn, 'upsampler': 'carafe'})
    add('fpn dysample pl', 'fpn', Fpn(ins, 8, 'dysample', style='pl'), pyramid(ins, 6, 5), **{**fpn, 'upsampler': 'dysample'})
    add('fpn dysample with scope', 'fpn', Fpn(ins, 8, 'dysample', scope=True, groups=2), pyramid(ins, 6, 5), **{**fpn, 'upsampler': 'dysample'})
    resnet = [256, 512, 1024, 2048]
    add('fpn of ResNet-50', 'fpn', Fpn(resnet, 256, 'carafe', mid=64), pyramid(resnet, 25, 33), step=97, **{**fpn, 'upsampler': 'carafe'})

    for kind in ('carafe', 'deconv', 'nearest', 'bilinear', 'dysample'):
        add(f'mask head {kind}', 'mask-head', MaskHead(6, 8, 3, kind, 2), [[3, 6, 5, 7]], upsampler=kind)
    add('mask head of 100 regions', 'mask-head', MaskHead(32, 32, 80, 'carafe', mid=16), [[100, 32, 14, 14]], step=997, upsampler='carafe')

    for places in ((), ('ppm',), ('fpn',), ('fuse',), ('ppm', 'fpn', 'fuse')):
        add(f'upernet {" ".join(places) or "bilinear"}', 'upernet', UperNet([4, 5, 6, 8], 8, 3, 'carafe', places), pyramid([4, 5, 6, 8], 29, 35),
            upsampler='carafe', places=places, poolScales=[1, 2, 3, 6])
    for kind in ('nearest', 'pixel-shuffle', 'dysample'):
        add(f'upernet {kind}', 'upernet', UperNet([4, 5, 8], 8, 3, kind, ('ppm', 'fpn', 'fuse'), (1, 2)), pyramid([4, 5, 8], 13, 10),
            upsampler=kind, places=('ppm', 'fpn', 'fuse'), poolScales=[1, 2])
    add('upernet of ResNet-50', 'upernet', UperNet(resnet, 64, 150, 'carafe', ('ppm', 'fpn', 'fuse'), mid=32), pyramid(resnet, 32, 32), step=97,
        upsampler='carafe', places=('ppm', 'fpn', 'fuse'), poolScales=[1, 2, 3, 6])

    for kind in ('deconv', 'carafe', 'bilinear-conv'):
        add(f'global-local {kind}', 'global-local', GlobalLocal(8, [8, 8, 6, 6, 4, 4, 3], kind), [[2, 8, 5, 6]], upsampler=kind, upsampled=[3, 5], output='clip')
    add('global-local sigmoid', 'global-local', GlobalLocal(8, [8, 8, 6, 6, 4, 4, 3], 'carafe', 'sigmoid'), [[1, 8, 5, 6]], upsampler='carafe', upsampled=[3, 5], output='sigmoid')
    channels = [3, 4, 6, 8, 8]
    for kind in ('carafe', 'nearest'):
        for bias in (False, True):
            shapes = pyramid(channels, 19, 22)
            add(f'partial-conv {kind}{", biases" if bias else ""}', 'partial-conv', PartialConv(channels, kind, bias=bias), shapes,
                masks=[[n, 1, h, w] for n, _, h, w in shapes], upsampler=kind, slope=0.2)
    for kind in ('carafe', 'deconv', 'bilinear-conv'):
        add(f'inpainting-unet {kind}', 'inpainting-unet', InpaintingUNet(kind, (4, 8), 4), [[1, 3, 24, 16]], masks=[[1, 1, 24, 16]], upsampler=kind)
    return out


def save_detector(path):
    parts = {'neck': Fpn([6, 8, 12], 8, 'carafe'), 'roi_head.mask_head': MaskHead(6, 8, 3, 'carafe', 2)}
    state = {f'{prefix}.{name}': drawn(name, tuple(value.shape)).float() for prefix, module in parts.items() for name, value in module.state_dict().items()}
    torch.save({'meta': {'epoch': 12}, 'state_dict': state}, path)


if __name__ == '__main__':
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--out', default=os.path.join(HERE, '..', 'test', 'golden'))
    o = arg.parse_args()
    torch.set_num_threads(1)
    cases().save(o.out, 'python3 golden_networks.py')
    save_detector(os.path.join(o.out, 'checkpoints', 'detector.pth'))
