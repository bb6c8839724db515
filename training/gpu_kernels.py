"""Two fused steps of the network for gpu.py in Triton: fewer passes over memory than torch's own operations. `agree()` compares both."""
import sys

import torch
import triton
import triton.language as tl


@triton.jit
def body_forward(x, bias, h, out, total, slope, C: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < total
    v = tl.load(x + at, mask=inside, other=0).to(tl.float32) + tl.load(bias + at % C)
    v = tl.where(v > 0, v, v * slope) + tl.load(h + at, mask=inside, other=0).to(tl.float32)
    tl.store(out + at, v.to(out.dtype.element_ty), mask=inside)


@triton.jit
def body_backward(g, x, bias, gx, gbias, rows, slope, loops, C: tl.constexpr, ROWS: tl.constexpr):
    c = tl.arange(0, C)
    b = tl.load(bias + c)
    total = tl.zeros([C], tl.float32)
    for i in range(loops):
        r = (tl.program_id(0) * loops + i) * ROWS + tl.arange(0, ROWS)
        at = r[:, None] * C + c[None, :]
        inside = r[:, None] < rows
        v = tl.load(x + at, mask=inside, other=0).to(tl.float32) + b[None, :]
        d = tl.load(g + at, mask=inside, other=0).to(tl.float32)
        d = tl.where(v > 0, d, d * slope)
        tl.store(gx + at, d.to(gx.dtype.element_ty), mask=inside)
        total += tl.sum(d, 0)
    tl.atomic_add(gbias + c, total, sem='relaxed')


class Body(torch.autograd.Function):
    """lrelu(x + bias) + h; x and h [b, c, h, w] channels last, bias float32."""

    @staticmethod
    def forward(context, x, bias, h, slope):
        x, h = (t.contiguous(memory_format=torch.channels_last) for t in (x, h))
        out = torch.empty_like(x, memory_format=torch.channels_last)
        body_forward[(triton.cdiv(x.numel(), 1024),)](x, bias, h, out, x.numel(), slope, C=x.shape[1], BLOCK=1024)
        context.save_for_backward(x, bias)
        context.slope = slope
        return out

    @staticmethod
    def backward(context, g):
        x, bias = context.saved_tensors
        g = g.contiguous(memory_format=torch.channels_last)
        gx, gbias = torch.empty_like(x, memory_format=torch.channels_last), torch.zeros_like(bias)
        c = x.shape[1]
        rows, step = x.numel() // c, 2048 // c
        loops = 8
        body_backward[(triton.cdiv(rows, step * loops),)](g, x, bias, gx, gbias, rows, context.slope, loops, C=c, ROWS=step)
        return gx, gbias, g, None


@triton.jit
def carafe_forward(logits, bias, maps, out, pixels, width, map_height, map_width, G: tl.constexpr, SS: tl.constexpr, BLOCK: tl.constexpr):
    p, k = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, 16)
    s, n = tl.program_id(1), tl.program_id(2)
    inside = (k[:, None] < 9) & (p[None, :] < pixels)
    window = (p // width * map_width + p % width)[None, :] + (k // 3 * map_width + k % 3)[:, None]
    o = tl.zeros([BLOCK], tl.float32)
    for g in range(G):
        channel = (g * 9 + k) * SS + s
        v = tl.load(logits + (n * G * 9 * SS + channel[:, None]) * pixels + p[None, :], mask=inside, other=0) + tl.load(bias + channel, mask=k < 9, other=0)[:, None]
        v = tl.where(k[:, None] < 9, v, -1e30)
        e = tl.exp(v - tl.max(v, 0)[None, :])
        w = tl.load(maps + (n * G + g) * map_height * map_width + window, mask=inside, other=0)
        o += tl.sum(e * w, 0) / tl.sum(e, 0)
    tl.store(out + (n * SS + s) * pixels + p, o, mask=p < pixels)


@triton.jit
def carafe_backward(go, logits, bias, maps, glogits, gbias, gmaps, pixels, width, map_height, map_width, G: tl.constexpr, SS: tl.constexpr, BLOCK: tl.constexpr):
    p, k = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, 16)
    g, n = tl.program_id(1), tl.program_id(2)
    inside = (k[:, None] < 9) & (p[None, :] < pixels)
    window = (n * G + g) * map_height * map_width + (p // width * map_width + p % width)[None, :] + (k // 3 * map_width + k % 3)[:, None]
    w = tl.load(maps + window, mask=inside, other=0)
    gw = tl.zeros([16, BLOCK], tl.float32)
    for s in range(SS):
        channel = (g * 9 + k) * SS + s
        at = (n * G * 9 * SS + channel[:, None]) * pixels + p[None, :]
        v = tl.load(logits + at, mask=inside, other=0) + tl.load(bias + channel, mask=k < 9, other=0)[:, None]
        v = tl.where(k[:, None] < 9, v, -1e30)
        e = tl.exp(v - tl.max(v, 0)[None, :])
        e = e / tl.sum(e, 0)[None, :]
        d = tl.load(go + (n * SS + s) * pixels + p, mask=p < pixels, other=0)
        ed = e * d[None, :]
        gw += ed
        gv = ed * (w - tl.sum(e * w, 0)[None, :])
        tl.store(glogits + at, gv, mask=inside)
        tl.atomic_add(gbias + channel, tl.sum(gv, 1), mask=k < 9, sem='relaxed')
    tl.atomic_add(gmaps + window, gw, mask=inside, sem='relaxed')


class Carafe(torch.autograd.Function):
    """Softmax over 3x3 taps and reassembly: logits [b, g*9*ss, p] without their bias [g*9*ss], maps [b, g, h + 2, w + 2] -> [b, ss, p], p = h w."""

    @staticmethod
    def forward(context, logits, bias, maps, sub):
        logits, maps, bias = logits.contiguous(), maps.contiguous(), bias.contiguous()
        b, g, mh, mw = maps.shape
        out = torch.empty(b, sub, logits.shape[2], device=maps.device)
        carafe_forward[(triton.cdiv(logits.shape[2], 64), sub, b)](logits, bias, maps, out, logits.shape[2], mw - 2, mh, mw, G=g, SS=sub, BLOCK=64)
        context.save_for_backward(logits, bias, maps)
        context.sub = sub
        return out

    @staticmethod
    def backward(context, go):
        logits, bias, maps = context.saved_tensors
        go = go.contiguous()
        glogits, gbias, gmaps = torch.empty_like(logits), torch.zeros_like(bias), torch.zeros_like(maps)
        b, g, mh, mw = maps.shape
        carafe_backward[(triton.cdiv(logits.shape[2], 64), g, b)](go, logits, bias, maps, glogits, gbias, gmaps, logits.shape[2], mw - 2, mh, mw, G=g, SS=context.sub, BLOCK=64)
        return glogits, gbias, gmaps, None


def agree(device, channels=16, groups=3, sub=9, half=False):
    """Raises where a kernel's values or gradients differ from torch's."""
    import torch.nn.functional as F
    make = lambda *shape: torch.from_numpy(__import__('numpy').random.default_rng(len(shape) + sum(shape)).standard_normal(shape).astype('float32')).to(device)
    kind = torch.float16 if half else torch.float32
    x, h, g = (make(2, channels, 9 + i * 0, 13).mul(i + 1).to(kind).contiguous(memory_format=torch.channels_last) for i in range(3))
    bias = make(channels)
    results = []
    for fused in (False, True):
        a, b, c = (t.clone(memory_format=torch.preserve_format).requires_grad_() for t in (x, bias, h))
        out = Body.apply(a, b, c, 0.2) if fused else (F.leaky_relu(a.float() + b[:, None, None], 0.2) + c.float()).to(kind)
        results.append([out.detach(), *torch.autograd.grad(out, (a, b, c), g)])
    hh, ww = 7, 11
    logits, eb, maps, go = make(2, groups * 9 * sub, hh * ww) * 3, make(groups * 9 * sub), make(2, groups, hh + 2, ww + 2), make(2, sub, hh * ww)
    others = []
    for fused in (False, True):
        a, b, c = (t.clone().requires_grad_() for t in (logits, eb, maps))
        if fused:
            out = Carafe.apply(a, b, c, sub)
        else:
            kernels = (a + b[:, None]).view(2, groups, 9, sub, hh * ww).softmax(2)
            out = (torch.stack([c[:, :, i:i + hh, j:j + ww] for i in range(3) for j in range(3)], 2).view(2, groups, 9, 1, hh * ww) * kernels).sum((1, 2))
        others.append([out.detach(), *torch.autograd.grad(out, (a, b, c), go)])
    for (one, two), limit in ((results, 2e-2 if half else 1e-5), (others, 1e-5)):
        for i, (want, got) in enumerate(zip(one, two)):
            off = float((want.float() - got.float()).norm() / want.float().norm())
            if not off < limit:
                raise ValueError(f'kernels differ from torch: number {i}, {off:.1e}')


def warm(channels, groups, scale, patch):
    """Compiles what a network of these sizes needs: the same alignments and divisibilities as in training."""
    for kind in (torch.float16,):
        x, h = (torch.zeros(32, channels, 4, 4, dtype=kind, device='cuda').contiguous(memory_format=torch.channels_last).requires_grad_() for _ in range(2))
        Body.apply(x, torch.zeros(channels, device='cuda', requires_grad=True), h, 0.2).sum().backward()
    sub = scale * scale
    shapes = (1, groups * 9 * sub, patch * patch), (groups * 9 * sub,), (1, groups, patch + 2, patch + 2)
    Carafe.apply(*(torch.zeros(shape, device='cuda', requires_grad=True) for shape in shapes), sub).sum().backward()


if __name__ == '__main__':  # without arguments and a GPU: TRITON_INTERPRET=1
    for sizes in sys.argv[1:]:
        agree('cuda', half=True) if sizes == 'agree' else warm(*map(int, sizes.split()))
    if not sys.argv[1:]:
        for channels, groups, sub in ((16, 3, 9), (8, 2, 4), (32, 4, 16)):
            for half in (False, True):
                agree('cuda' if torch.cuda.is_available() else 'cpu', channels, groups, sub, half)
        print('kernels agree')
