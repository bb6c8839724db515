"""Checkpoints of each CARAFE implementation that people train with, for test/golden/checkpoints/, and what their modules compute.

  python3 golden_checkpoints.py [--out ../test/golden/checkpoints]

One .pth (or .safetensors) a family as its users save it, and <name>.golden.safetensors with the input x and the output y of each layer
in float64; saved-*.pth hold one layer the ways that files are saved. The modules are written from the formulas and key names of the
implementations named at each.
"""
import argparse
import collections
import datetime
import os
import pathlib
import warnings
import zlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import weights

HERE = os.path.dirname(os.path.abspath(__file__))


def reassemble(x, kernels, scale, k_up, groups=1):
    """mmcv's carafe: kernels (n, groups*k_up^2, h*s, w*s) as they are; taps outside the map read 0."""
    n, c, h, w = x.shape
    up = F.interpolate(x, scale_factor=scale, mode='nearest')
    windows = F.unfold(up, k_up, dilation=scale, padding=k_up // 2 * scale).view(n, groups, c // groups, k_up**2, h * scale, w * scale)
    return (windows * kernels.view(n, groups, 1, k_up**2, h * scale, w * scale)).sum(3).view(n, c, h * scale, w * scale)


def softmaxed(logits, scale, k_up, groups=1):
    logits = F.pixel_shuffle(logits, scale)
    n, _, h, w = logits.shape
    return logits.view(n, groups, k_up**2, h, w).softmax(2).view(n, groups * k_up**2, h, w)


class Mmcv(nn.Module):
    """mmcv/ops/carafe.py CARAFEPack."""

    def __init__(self, c, scale=2, k_up=5, groups=1, k_enc=3, dilation=1, c_mid=8, bias=True):
        super().__init__()
        self.window = scale, k_up, groups
        self.channel_compressor = nn.Conv2d(c, c_mid, 1)
        self.content_encoder = nn.Conv2d(c_mid, k_up**2 * groups * scale**2, k_enc, padding=(k_enc - 1) * dilation // 2, dilation=dilation, bias=bias)

    def forward(self, x):
        return reassemble(x, softmaxed(self.content_encoder(self.channel_compressor(x)), *self.window), *self.window)


class ConvNorm(nn.Module):
    """Conv + BN + activation as ultralytics' Conv and XiaLiPKU's ConvBNReLU name them."""

    def __init__(self, c1, c2, k=1, act=None, eps=1e-5, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, 1, k // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=eps)
        self.act = act or nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class CompEnc(nn.Module):
    """CARAFE(c, k_enc, k_up, c_mid, scale) of github.com/XiaLiPKU/CARAFE and the YOLO forks: nearest, dilated unfold, einsum."""

    def __init__(self, c, k_enc=3, k_up=5, c_mid=8, scale=2, act=None, eps=1e-5):
        super().__init__()
        self.scale, self.k_up = scale, k_up
        self.comp = ConvNorm(c, c_mid, 1, act, eps)
        self.enc = ConvNorm(c_mid, (scale * k_up)**2, k_enc, None, eps)

    def forward(self, x):
        b, c, h, w = x.shape
        s, k = self.scale, self.k_up
        kernels = F.pixel_shuffle(self.enc(self.comp(x)), s).softmax(1)
        up = F.interpolate(x, scale_factor=s, mode='nearest')
        windows = F.unfold(up, k, dilation=s, padding=k // 2 * s).view(b, c, -1, h * s, w * s)
        return torch.einsum('bkhw,bckhw->bchw', kernels, windows)


class DownEncoderOut(nn.Module):
    """CARAFE(c1, c2, kernel_size, up_factor): kernels at the input's resolution, windows by unfold, then a 1x1 convolution."""

    def __init__(self, c1, c2, k=3, s=2, c_mid=None, k_enc=None, conv=None):
        super().__init__()
        conv = conv or (lambda a, b, k: nn.Conv2d(a, b, k, 1, k // 2))
        c_mid, k_enc = c_mid or c1 // 4, k_enc or k
        self.k, self.s = k, s
        self.down, self.encoder, self.out = conv(c1, c_mid, 1), conv(c_mid, s**2 * k**2, k_enc), conv(c1, c2, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        k, s = self.k, self.s
        kernels = F.pixel_shuffle(self.encoder(self.down(x)), s).softmax(1)
        kernels = kernels.unfold(2, s, s).unfold(3, s, s).reshape(n, k * k, h, w, s * s).permute(0, 2, 3, 1, 4)
        windows = F.pad(x, (k // 2,) * 4).unfold(2, k, 1).unfold(3, k, 1).reshape(n, c, h, w, -1).permute(0, 2, 3, 1, 4)
        y = torch.matmul(windows, kernels).reshape(n, h, w, c, s, s).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h * s, w * s)
        return self.out(y)


class GhostConv(nn.Module):
    """GhostConv of ultralytics: half of the outputs by a convolution, half by a cheap depthwise one of those."""

    def __init__(self, c1, c2, k=1):
        super().__init__()
        self.cv1 = ConvNorm(c1, c2 // 2, k, nn.SiLU(), 1e-3)
        self.cv2 = ConvNorm(c2 // 2, c2 // 2, 5, nn.SiLU(), 1e-3, c2 // 2)

    def forward(self, x):
        y = self.cv1(x)
        return torch.cat((y, self.cv2(y)), 1)


class Plain(nn.Module):
    """Look-alike: plain comp and enc, and unfold without dilation."""

    def __init__(self, c, c_mid=8):
        super().__init__()
        self.comp, self.enc = nn.Conv2d(c, c_mid, 1), nn.Conv2d(c_mid, 100, 3, 1, 1)


class FreqFusion(nn.Module):
    """Look-alike: the names of FreqFusion."""

    def __init__(self, c=8, c_mid=8):
        super().__init__()
        self.hr_channel_compressor, self.lr_channel_compressor = nn.Conv2d(c, c_mid, 1), nn.Conv2d(c, c_mid, 1)
        self.content_encoder, self.content_encoder2 = nn.Conv2d(c_mid, 100, 3, 1, 1), nn.Conv2d(c_mid, 9, 3, 1, 1)


def randomise(module, name):
    """Weights, and batch statistics as after training; exact in float32."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    for key, value in module.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if key.endswith('running_var'):
            value.copy_(noise.abs() * 0.5 + 0.1)
        elif value.dim() == 4:
            value.copy_(noise * 2 / value[0].numel()**0.5)
        else:
            value.copy_(noise * 0.3 + (1 if 'bn.weight' in key else 0))
    return module.eval()


class At(nn.Module):
    """A module under a dotted name of a larger model."""

    def __init__(self, **children):
        super().__init__()
        for path, child in children.items():
            *parents, last = path.split('__')
            node = self
            for name in parents:
                if not hasattr(node, name):
                    node.add_module(name, nn.Module())
                node = getattr(node, name)
            node.add_module(last, child)


def families():
    """name -> (what is saved, {prefix: (module, input)})."""
    def rand(name, *shape):
        return torch.randn(*shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))

    def one(module, prefix, c, name):
        return {prefix: (module, rand(name, 1, c, 7, 5))}

    mmcv = randomise(Mmcv(12), 'mmcv')
    yield 'mmcv', mmcv.state_dict(), one(mmcv, '', 12, 'mmcv')

    levels = [randomise(Mmcv(12, groups=g, bias=g == 1), f'level {g}') for g in (1, 2)]
    mask = randomise(Mmcv(12, k_up=3, k_enc=1), 'mask')
    model = At(neck__upsample_modules__0=levels[0], neck__upsample_modules__1=levels[1], roi_head__mask_head__upsample=mask, backbone__conv1=nn.Conv2d(3, 4, 3))
    state = collections.OrderedDict(('module.' + key, value) for key, value in model.state_dict().items())
    prefixes = 'neck.upsample_modules.0.', 'neck.upsample_modules.1.', 'roi_head.mask_head.upsample.'
    yield 'mmdet', {'meta': {'epoch': 12, 'mAP': np.float64(0.378), 'config': 'x = 1'}, 'state_dict': state}, \
        {prefix: (layer, rand(prefix, 1, 12, 6, 6)) for prefix, layer in zip(prefixes, [*levels, mask])}

    xia = randomise(CompEnc(12, act=nn.ReLU()), 'xialipku')
    yield 'xialipku', {'net': xia.state_dict()}, one(xia, '', 12, 'xialipku')

    yolo = randomise(CompEnc(12, act=nn.SiLU(), eps=1e-3), 'yolo')
    half = {key: value.half() if value.is_floating_point() else value for key, value in At(model__11=yolo, model__0=ConvNorm(3, 8, 3)).state_dict().items()}
    for key, value in half.items():  # the module computes with what the file holds
        if key.startswith('model.11.') and value.is_floating_point():
            yolo.state_dict()[key[len('model.11.'):]].copy_(value.float())
    yield 'yolo', {'epoch': np.int64(3), 'model': half, 'ema': half, 'optimizer': None}, one(yolo, 'model.11.', 12, 'yolo')

    hard = randomise(CompEnc(12, act=nn.Hardswish(), eps=1e-3), 'hardswish')
    yield 'yolo-hardswish', At(model__4=hard).state_dict(), one(hard, 'model.4.', 12, 'hardswish')

    down = randomise(DownEncoderOut(16, 8), 'down')
    yield 'down-encoder-out', down.state_dict(), one(down, '', 16, 'down')
    integrate = randomise(DownEncoderOut(16, 16, k=5, c_mid=8, k_enc=3), 'integrate')
    yield 'down-encoder-out-5', At(up1=integrate).double().state_dict(), one(integrate, 'up1.', 16, 'integrate')
    ghost = randomise(DownEncoderOut(32, 16, conv=GhostConv), 'ghost')
    yield 'ghost', At(model__13=ghost).state_dict(), one(ghost, 'model.13.', 32, 'ghost')

    bf16 = randomise(Mmcv(8, bias=False), 'bf16').bfloat16()
    yield 'mmcv-bf16', bf16.state_dict(), one(bf16, '', 8, 'bf16')

    yield 'undilated', randomise(Plain(8), 'plain').state_dict(), {}
    yield 'freqfusion', At(fusion=randomise(FreqFusion(), 'freqfusion')).state_dict(), {}


def as_saved():
    """name -> (what is saved, the pickle's protocol): one layer `neck.up.`, as training scripts and frameworks save it."""
    layer = At(neck__up=randomise(Mmcv(4, k_up=3, k_enc=1, c_mid=2), 'saved'))
    state = layer.state_dict()
    under = lambda prefix: collections.OrderedDict((prefix + key, value) for key, value in state.items())
    beside = {
        'args': argparse.Namespace(lr=0.1, output=pathlib.PurePosixPath('runs'), started=datetime.datetime(2026, 1, 2)),
        'tags': {'a'}, 'frozen': frozenset('b'), 'window': slice(1, 2), 'counts': collections.Counter('ab'), 'last': collections.deque([1]),
        'dtype': torch.float16, 'device': torch.device('cpu'), 'shape': torch.Size([1]), 'array': np.arange(3.0), 'number': np.float32(1),
        'frequencies': torch.zeros(2, dtype=torch.complex64), 'sparse': torch.eye(2).to_sparse(), 'view': torch.zeros(1).expand(9, 9),
    }
    for protocol in 2, 3, 4, 5:
        yield f'protocol-{protocol}', {**beside, 'state_dict': state}, protocol
    yield 'compiled', {'model': {key.replace('up.', 'up._orig_mod.'): value for key, value in under('_orig_mod.').items()}}, 2
    yield 'fsdp', under('_fsdp_wrapped_module.'), 2
    yield 'averaged', torch.optim.swa_utils.AveragedModel(layer).state_dict(), 2
    yield 'score-beside', {'best_acc1': torch.tensor(75.3), 'state_dict': under('module.')}, 2
    yield 'ema-of-counters', {'ema': {'decay': torch.tensor(0.99), 'updates': 3}, 'model': state}, 2
    yield 'by-name', {'detector': state, 'step': 3}, 2


class MmcvCustomOp(torch.autograd.Function):
    """The node that mmcv's exporter writes."""

    @staticmethod
    def symbolic(graph, features, masks, kernel_size, group_size, scale_factor):
        return graph.op('mmcv::MMCVCARAFE', features, masks, kernel_size_i=kernel_size, group_size_i=group_size, scale_factor_f=scale_factor)

    @staticmethod
    def forward(ctx, features, masks, kernel_size, group_size, scale_factor):
        return reassemble(features, masks, scale_factor, kernel_size, group_size)


class MmcvExported(Mmcv):
    def forward(self, x):
        scale, k_up, groups = self.window
        kernels = softmaxed(self.content_encoder(self.channel_compressor(x)), *self.window)
        return MmcvCustomOp.apply(F.relu(x), kernels, k_up, groups, scale)


class Undilated(CompEnc):
    def forward(self, x):
        b, c, h, w = x.shape
        kernels = F.pixel_shuffle(self.enc(self.comp(x)), 2).softmax(1)
        windows = F.unfold(F.interpolate(x, scale_factor=2, mode='nearest'), 5, padding=2).view(b, c, -1, 2 * h, 2 * w)
        return torch.einsum('bkhw,bckhw->bchw', kernels, windows)


def exported():
    """name -> (module, dynamic axes): models as torch.onnx writes them."""
    yield 'einsum', CompEnc(8, act=nn.SiLU(), eps=1e-3), None
    yield 'einsum-dynamic', CompEnc(8, k_up=3, act=nn.ReLU()), {'x': {2: 'h', 3: 'w'}}
    yield 'mmcv', MmcvExported(8, groups=2), None
    yield 'undilated', Undilated(8, act=nn.SiLU()), None


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--out', default=os.path.join(HERE, '../test/golden/checkpoints'))
    out = arg.parse_args().out
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(0)  # of the layers beside CARAFE
    for name, saved, layers in families():
        path = os.path.join(out, f'{name}.pth')
        torch.save(saved, path)
        tensors = {}
        for prefix, (module, x) in layers.items():
            with torch.no_grad():
                tensors[f'{prefix}x'], tensors[f'{prefix}y'] = x.numpy(), module.double()(x.double()).float().numpy()
        if tensors:
            weights.save(os.path.join(out, f'{name}.golden.safetensors'), tensors, {'generator': f'training/golden_checkpoints.py, torch {torch.__version__}'})
        print(f'{name}: {len(layers)} layers, {os.path.getsize(path)} bytes')
    for name, saved, protocol in as_saved():
        torch.save(saved, os.path.join(out, f'saved-{name}.pth'), pickle_protocol=protocol)
    for name, module, axes in exported():
        path, x = os.path.join(out, f'{name}.onnx'), torch.randn(1, 8, 6, 5, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        randomise(module, name)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # mmcv's node has no shape inference
            torch.onnx.export(module, x, path, opset_version=13, input_names=['x'], output_names=['y'], dynamic_axes=axes, custom_opsets={'mmcv': 1} if name == 'mmcv' else None)
        with torch.no_grad():
            weights.save(path.replace('.onnx', '.onnx.golden.safetensors'), {'x': x.numpy(), 'y': module(x).numpy()}, {'generator': f'training/golden_checkpoints.py, torch {torch.__version__}'})
        print(f'{name}.onnx: {os.path.getsize(path)} bytes')


if __name__ == '__main__':
    main()
