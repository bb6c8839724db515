"""The paper's architectures as PyTorch modules, with any of its upsamplers.

Written after mmdetection's FPN_CARAFE and FCNMaskHead, mmsegmentation's UPerHead, mmediting's GLDecoder and PConvDecoder, and
DySample: the same names of tensors, the same arithmetic. And a small U-Net that fills holes in photographs, which trial.py trains.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from golden import carafe_unfold, normalize

KINDS = ('nearest', 'bilinear', 'nearest-conv', 'bilinear-conv', 'deconv', 'pixel-shuffle', 'gum', 'spatial-attention', 'carafe', 'dysample')


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
        iy, ix = torch.meshgrid(*(torch.arange(2 * size, device=x.device) + 0.5 for size in (h, w)), indexing='ij')
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
        initial = torch.stack(torch.meshgrid([h, h], indexing='ij')).transpose(1, 2).repeat(1, groups, 1).reshape(1, -1, 1, 1)
        self.register_buffer('initial', initial, persistent=False)

    def forward(self, x):
        n, c, h, w = x.shape
        source = F.pixel_shuffle(x, 2) if self.style == 'pl' else x
        offset = self.offset(source)
        offset = offset * self.scope(source).sigmoid() * 0.5 if hasattr(self, 'scope') else offset * 0.25
        if self.style == 'pl':
            offset = F.pixel_unshuffle(offset, 2)
        offset = (offset + self.initial).view(n, 2, -1, h, w)
        at = [(torch.arange(size, device=x.device) + 0.5) * 2 / size for size in (w, h)]
        coords = torch.stack(torch.meshgrid(at, indexing='ij')).transpose(1, 2).unsqueeze(1).unsqueeze(0) - 1
        coords = coords + torch.stack([offset[:, 0] * (2 / w), offset[:, 1] * (2 / h)], 1)
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


class InpaintingUNet(nn.Module):
    """[colours - 0.5 [n, 3, h, w], known [n, 1, h, w]], both 0 in the hole and known 1 elsewhere, h and w multiples of 8 -> [colours - 0.5],
    by adding to a coarse filling."""

    def __init__(self, kind, widths=(32, 48, 64), finest=16):
        super().__init__()
        self.downs, self.encoders, self.ups, self.decoders = (nn.ModuleList() for _ in range(4))
        c = 7
        for i, width in enumerate(widths):
            self.downs.append(nn.Conv2d(4 * c, width, 1 if i else 3, padding=0 if i else 1))
            self.encoders.append(nn.Conv2d(width, width, 3, padding=1))
            self.ups.append(upsampler(kind, width, **({'mid': width // 4} if kind == 'carafe' else {})))
            self.decoders.append(nn.Conv2d(width + c, c if i else finest, 3, padding=1))
            c = width
        self.middle = nn.Conv2d(c, c, 3, padding=2, dilation=2)
        self.out = nn.Conv2d(finest, 3, 3, padding=1)
        tent = torch.tensor([1, 2, 3, 2, 1]) / 9
        self.register_buffer('tent', torch.outer(tent, tent).expand(4, 1, 5, 5), persistent=False)

    def coarse(self, x):
        """The mean of known colours around each pixel: of cells of 8x8 pixels, smoothed over 5x5 of them, enlarged by bilinear."""
        sums = F.conv2d(F.avg_pool2d(x, 8), self.tent, padding=2, groups=4)
        return F.interpolate(sums[:, :3] / (sums[:, 3:] + 1e-6), scale_factor=8, mode='bilinear', align_corners=False)

    def forward(self, inputs):
        x = torch.cat(inputs, 1)
        filling = self.coarse(x)
        x, maps = torch.cat([x, filling], 1), []
        for down, encoder in zip(self.downs, self.encoders):
            maps.append(x)
            x = F.leaky_relu(down(F.pixel_unshuffle(x, 2)), 0.2)
            x = F.leaky_relu(encoder(x), 0.2) + x
        x = F.leaky_relu(self.middle(x), 0.2) + x
        for up, decoder, skip in reversed(list(zip(self.ups, self.decoders, maps))):
            x = F.leaky_relu(decoder(torch.cat([up(x), skip], 1)), 0.2)
        return [self.out(x) + filling]


class ForegroundFpn(nn.Module):
    """[[n, 3, h, w]], h and w multiples of 16: colours - 0.5 -> [logits [n, 1, h, w]] of what is in front."""

    def __init__(self, kind, widths=(16, 32, 48, 64), c=32):
        super().__init__()
        more = {'mid': c // 4} if kind == 'carafe' else {}
        ins = (3, *widths[:-1])
        self.backbone = nn.ModuleList([nn.Sequential(ConvModule(ci, co, 3, 2), ConvModule(co, co, 3)) for ci, co in zip(ins, widths)])
        self.neck = Fpn(list(widths), c, kind, **more)
        self.up = upsampler(kind, c, **more)
        self.logits = nn.Conv2d(c, 1, 1)

    def forward(self, inputs):
        x, maps = inputs[0], []
        for stage in self.backbone:
            x = stage(x)
            maps.append(x)
        return [self.logits(self.up(F.relu(self.neck(maps)[0])))]
