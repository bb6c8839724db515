"""Golden vectors of whole networks from torch in float64, for test/golden/networks.safetensors; and a detector's
checkpoint with two of them, `neck` and `roi_head.mask_head`, for test/golden/checkpoints/detector.pth.

  python3 golden_networks.py [--out ../test/golden]

The modules are written after mmdetection's FPN_CARAFE and FCNMaskHead, mmsegmentation's UPerHead, mmediting's GLDecoder and
PConvDecoder, and DySample: the same names of tensors, the same arithmetic. Weights and inputs are drawn from their names
(`drawn`, which test/conformance/golden-networks.ts repeats), so that the file holds what comes out and nothing else:
F32 tensors `<case>/<output>`, `__metadata__.cases` = JSON array of {name, params}.
"""
import argparse
import os
import zlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from golden import HERE, Golden, carafe_unfold, normalize


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


class ConvModule(nn.Module):
    def __init__(self, ci, co, k, stride=1, norm=False, act='relu', order='conv-norm-act', conv=None):
        super().__init__()
        self.conv = conv or nn.Conv2d(ci, co, k, stride, k // 2, bias=not norm)
        if norm:
            self.bn = nn.BatchNorm2d(co)
        self.act = {'relu': F.relu, 'none': lambda x: x}[act]
        self.order = order

    def forward(self, x):
        if self.order == 'act-conv-norm':
            x = self.act(x)
        x = self.conv(x)
        if hasattr(self, 'bn'):
            x = self.bn(x)
        return x if self.order == 'act-conv-norm' else self.act(x)


class Carafe(nn.Module):
    def __init__(self, c, mid=4, k_enc=3, k_up=5, groups=1):
        super().__init__()
        self.k_up, self.groups = k_up, groups
        self.channel_compressor = nn.Conv2d(c, mid, 1)
        self.content_encoder = nn.Conv2d(mid, k_up**2 * groups * 4, k_enc, padding=k_enc // 2)

    def kernels(self, x):
        return normalize(F.pixel_shuffle(self.content_encoder(self.channel_compressor(x)), 2), self.k_up, self.groups, 'softmax')

    def forward(self, x):
        return carafe_unfold(x, self.kernels(x).detach(), self.k_up, 2, self.groups)


class PixelShufflePack(nn.Module):
    def __init__(self, c, k=3):
        super().__init__()
        self.upsample_conv = nn.Conv2d(c, c * 4, k, padding=k // 2)

    def forward(self, x):
        return F.pixel_shuffle(self.upsample_conv(x), 2)


def enlarged(x, mode):
    return F.interpolate(x, scale_factor=2, mode=mode, **({'align_corners': False} if mode == 'bilinear' else {}))


class Interpolate(nn.Module):
    def __init__(self, mode, c=0):
        super().__init__()
        self.mode = mode
        if c:
            self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        x = enlarged(x, self.mode)
        return self.conv(x) if hasattr(self, 'conv') else x


class Gum(nn.Module):
    """Bilinear, at positions moved by offsets that are learned from the enlarged map (in pixels of x)."""

    def __init__(self, c):
        super().__init__()
        self.guidance = nn.Sequential(nn.Conv2d(c, c, 1), nn.ReLU(), nn.Conv2d(c, c, 1), nn.ReLU(), nn.Conv2d(c, 2, 1))

    def forward(self, x):
        n, _, h, w = x.shape
        offsets = self.guidance(enlarged(x, 'bilinear'))
        iy, ix = torch.meshgrid(torch.arange(2 * h) + 0.5, torch.arange(2 * w) + 0.5, indexing='ij')
        grid = torch.stack([(ix / 2 + offsets[:, 0]) * 2 / w - 1, (iy / 2 + offsets[:, 1]) * 2 / h - 1], -1)
        return F.grid_sample(x, grid, mode='bilinear', padding_mode='border', align_corners=False)


class SpatialAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attention = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, x):
        x = enlarged(x, 'bilinear')
        return x * self.attention(x).sigmoid()


class DySample(nn.Module):
    """github.com/tiny-smart/dysample, scale 2."""

    def __init__(self, c, style='lp', groups=4, scope=False):
        super().__init__()
        self.style, self.groups = style, groups
        ci, co = (c // 4, 2 * groups) if style == 'pl' else (c, 2 * groups * 4)
        self.offset = nn.Conv2d(ci, co, 1)
        if scope:
            self.scope = nn.Conv2d(ci, co, 1, bias=False)
        h = torch.arange(-0.5, 1) / 2
        self.initial = torch.stack(torch.meshgrid([h, h], indexing='ij')).transpose(1, 2).repeat(1, groups, 1).reshape(1, -1, 1, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        source = F.pixel_shuffle(x, 2) if self.style == 'pl' else x
        offset = self.offset(source)
        offset = offset * self.scope(source).sigmoid() * 0.5 if hasattr(self, 'scope') else offset * 0.25
        if self.style == 'pl':
            offset = F.pixel_unshuffle(offset, 2)
        offset = (offset + self.initial).view(n, 2, -1, h, w)
        coords = torch.stack(torch.meshgrid([torch.arange(w) + 0.5, torch.arange(h) + 0.5], indexing='ij')).transpose(1, 2).unsqueeze(1).unsqueeze(0)
        coords = 2 * (coords + offset) / torch.tensor([w, h], dtype=x.dtype).view(1, 2, 1, 1, 1) - 1
        coords = F.pixel_shuffle(coords.reshape(n, -1, h, w), 2).view(n, 2, -1, 2 * h, 2 * w).permute(0, 2, 3, 4, 1).flatten(0, 1)
        return F.grid_sample(x.reshape(n * self.groups, -1, h, w), coords, mode='bilinear', align_corners=False, padding_mode='border').view(n, -1, 2 * h, 2 * w)


def upsampler(kind, c, **more):
    return {'nearest': lambda: Interpolate('nearest'), 'bilinear': lambda: Interpolate('bilinear'),
            'nearest-conv': lambda: Interpolate('nearest', c), 'bilinear-conv': lambda: Interpolate('bilinear', c),
            'deconv': lambda: nn.ConvTranspose2d(c, c, 3, 2, 1, 1), 'pixel-shuffle': lambda: PixelShufflePack(c),
            'gum': lambda: Gum(c), 'spatial-attention': lambda: SpatialAttention(c),
            'carafe': lambda: Carafe(c, **more), 'dysample': lambda: DySample(c, **more)}[kind]()


def slice_as(x, y):
    return x[:, :, :y.shape[2], :y.shape[3]]


class Fpn(nn.Module):
    def __init__(self, ins, c, kind, extra=0, start=0, norm=False, act='none', order='conv-norm-act', **more):
        super().__init__()
        ins, self.start = ins[start:], start
        settings = {'norm': norm, 'act': act, 'order': order}
        self.lateral_convs = nn.ModuleList([ConvModule(ci, c, 1, **settings) for ci in ins] +
                                           [ConvModule(ins[-1] if i == 0 else c, c, 3, 2, **settings) for i in range(extra)])
        self.fpn_convs = nn.ModuleList([ConvModule(c, c, 3, **settings) for _ in self.lateral_convs])
        self.upsample_modules = nn.ModuleList([upsampler(kind, c, **more) for _ in self.lateral_convs[1:]])
        self.levels = len(ins)

    def forward(self, inputs):
        laterals = []
        for i, conv in enumerate(self.lateral_convs):
            laterals.append(conv(inputs[min(i + self.start, len(inputs) - 1)] if i <= self.levels else laterals[-1]))
        for i in range(len(laterals) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + slice_as(self.upsample_modules[i - 1](laterals[i]), laterals[i - 1])
        return [conv(x) for conv, x in zip(self.fpn_convs, laterals)]


class MaskHead(nn.Module):
    def __init__(self, ci, c, classes, kind, convs=4, **more):
        super().__init__()
        self.convs = nn.ModuleList([ConvModule(ci if i == 0 else c, c, 3) for i in range(convs)])
        self.kind = kind
        self.upsample = nn.ConvTranspose2d(c, c, 2, 2) if kind == 'deconv' else upsampler(kind, c, **more)
        self.conv_logits = nn.Conv2d(c, classes, 1)

    def forward(self, inputs):
        x = inputs[0]
        for conv in self.convs:
            x = conv(x)
        x = self.upsample(x)
        return [self.conv_logits(F.relu(x) if self.kind == 'deconv' else x)]


class UperNet(nn.Module):
    def __init__(self, ins, c, classes, kind, places, scales=(1, 2, 3, 6), **more):
        super().__init__()
        settings = {'norm': True}
        self.psp_modules = nn.ModuleList([nn.Sequential(nn.AdaptiveAvgPool2d(s), ConvModule(ins[-1], c, 1, **settings)) for s in scales])
        self.bottleneck = ConvModule(ins[-1] + len(scales) * c, c, 3, **settings)
        self.lateral_convs = nn.ModuleList([ConvModule(ci, c, 1, **settings) for ci in ins[:-1]])
        self.fpn_convs = nn.ModuleList([ConvModule(c, c, 3, **settings) for _ in ins[:-1]])
        self.fpn_bottleneck = ConvModule(len(ins) * c, c, 3, **settings)
        self.conv_seg = nn.Conv2d(c, classes, 1)
        top = len(ins) - 1
        self.places = places
        if 'ppm' in places:
            self.ppm_upsample_modules = nn.ModuleList([upsampler(kind, c, **more) for _ in scales])
        if 'fpn' in places:
            self.fpn_upsample_modules = nn.ModuleList([upsampler(kind, c, **more) for _ in range(top)])
        if 'fuse' in places:
            self.fuse_upsample_modules = nn.ModuleList([upsampler(kind, (top - i) * c, **more) for i in range(top)])

    def forward(self, inputs):
        def to(x, y):
            return F.interpolate(x, size=y.shape[2:], mode='bilinear', align_corners=False)

        x = inputs[-1]
        branches = [x]
        for i, module in enumerate(self.psp_modules):
            y = module(x)
            if 'ppm' in self.places:
                half = F.interpolate(y, size=[(s + 1) // 2 for s in x.shape[2:]], mode='bilinear', align_corners=False)
                branches.append(slice_as(self.ppm_upsample_modules[i](half), x))
            else:
                branches.append(to(y, x))
        laterals = [conv(y) for conv, y in zip(self.lateral_convs, inputs)] + [self.bottleneck(torch.cat(branches, 1))]
        for i in range(len(laterals) - 1, 0, -1):
            above = laterals[i]
            laterals[i - 1] = laterals[i - 1] + (slice_as(self.fpn_upsample_modules[i - 1](above), laterals[i - 1]) if 'fpn' in self.places else to(above, laterals[i - 1]))
        outs = [conv(y) for conv, y in zip(self.fpn_convs, laterals)] + [laterals[-1]]
        if 'fuse' in self.places:
            x = outs[-1]
            for i in range(len(outs) - 2, -1, -1):
                x = torch.cat([outs[i], slice_as(self.fuse_upsample_modules[i](x), outs[i])], 1)
        else:
            x = torch.cat([outs[0]] + [to(y, outs[0]) for y in outs[1:]], 1)
        return [self.conv_seg(self.fpn_bottleneck(x))]


class Upsampled(ConvModule):
    def __init__(self, up, *args, **settings):
        super().__init__(*args, **settings)
        self.upsample = up

    def forward(self, x):
        return super().forward(self.upsample(x))


class GlobalLocal(nn.Module):
    def __init__(self, ci, channels, kind, output='clip', **more):
        super().__init__()
        self.output = output
        for i, co in enumerate(channels):
            act = 'none' if i == len(channels) - 1 else 'relu'
            if i in (2, 4) and kind == 'deconv':
                layer = ConvModule(ci, co, 4, act=act, conv=nn.ConvTranspose2d(ci, co, 4, 2, 1))
            elif i in (2, 4):
                layer = Upsampled(upsampler(kind, ci, **more), ci, co, 3, act=act)
            else:
                layer = ConvModule(ci, co, 3, act=act)
            setattr(self, f'dec{i + 1}', layer)
            ci = co
        self.count = len(channels)

    def forward(self, inputs):
        x = inputs[0]
        for i in range(self.count):
            x = getattr(self, f'dec{i + 1}')(x)
        return [x.sigmoid() if self.output == 'sigmoid' else x.clamp(-1, 1)]


class PartialLayer(nn.Module):
    def __init__(self, ci, co, c, kind, norm, bias, act, **more):
        super().__init__()
        self.conv = nn.Conv2d(ci, co, 3, padding=1, bias=bias)
        if norm:
            self.bn = nn.BatchNorm2d(co)
        if kind == 'carafe':
            self.upsample = Carafe(c, **more)
        self.act = act

    def forward(self, x, mask, skip, skip_mask):
        if hasattr(self, 'upsample'):
            kernels = self.upsample.kernels(x)
            x, mask = (carafe_unfold(y, kernels.detach(), self.upsample.k_up, 2, 1) for y in (x, mask))
        else:
            x, mask = enlarged(x, 'nearest'), enlarged(mask, 'nearest')
        x, mask = torch.cat([slice_as(x, skip), skip], 1), torch.cat([slice_as(mask, skip_mask), skip_mask], 1)
        known = F.conv2d(mask, torch.ones_like(self.conv.weight), padding=1)
        ratio = self.conv.weight[0].numel() / (known + 1e-8)
        updated = known.clamp(0, 1)
        ratio = ratio * updated
        sums = F.conv2d(x * mask, self.conv.weight, padding=1)
        y = sums * ratio
        if self.conv.bias is not None:
            y = (y + self.conv.bias.view(1, -1, 1, 1)) * updated
        if hasattr(self, 'bn'):
            y = self.bn(y)
        return (F.leaky_relu(y, 0.2) if self.act else y), updated


class PartialConv(nn.Module):
    def __init__(self, channels, kind, norm=True, bias=False, **more):
        """channels: of h0 (the image) .. hN"""
        super().__init__()
        self.count = len(channels) - 1
        c = channels[-1]
        for i in range(self.count, 0, -1):
            co = channels[i - 1] if i > 1 else 3
            setattr(self, f'dec{i}', PartialLayer(c + channels[i - 1], co, c, kind, norm and i > 1, bias or i == 1, i > 1, **more))
            c = co

    def forward(self, inputs):
        maps, masks = inputs[:self.count + 1], inputs[self.count + 1:]
        masks = [m.expand(-1, x.shape[1], -1, -1) for m, x in zip(masks, maps)]
        x, mask = maps[-1], masks[-1]
        for i in range(self.count, 0, -1):
            x, mask = getattr(self, f'dec{i}')(x, mask, maps[i - 1], masks[i - 1])
        return [x, mask[:, :1]]


def pyramid(ins, h, w, n=1):
    shapes = []
    for c in ins:
        shapes.append([n, c, h, w])
        h, w = (h + 1) // 2, (w + 1) // 2
    return shapes


KINDS = ('nearest', 'bilinear', 'nearest-conv', 'bilinear-conv', 'deconv', 'pixel-shuffle', 'gum', 'spatial-attention', 'carafe', 'dysample')


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
