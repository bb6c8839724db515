"""CARAFE's reassembly with gradients, for training: kUp 5, one group, twice the size. In Triton where there is a GPU, in plain torch elsewhere.

`enlarge(x, rows)`: x [n, c, h, w] and normalised kernels [n, h, w, 25, 4] (the last axis: sub-pixels row by row) -> [n, c, 2h, 2w].
"""
import torch
import torch.nn.functional as F

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None

K, R = 5, 2
TAPS = [(i, j) for i in range(K) for j in range(K)]
PIXELS = 32  # of a Triton program


class Plain(torch.autograd.Function):
    @staticmethod
    def forward(context, x, rows):
        context.save_for_backward(x, rows)
        n, c, h, w = x.shape
        padded, kernels = F.pad(x, (R,) * 4), rows.permute(3, 0, 4, 1, 2)
        out = x.new_zeros(n, 4, c, h, w)
        for k, (i, j) in zip(kernels, TAPS):
            out.addcmul_(padded[:, None, :, i:i + h, j:j + w], k[:, :, None])
        return F.pixel_shuffle(out.transpose(1, 2).reshape(n, 4 * c, h, w), 2)

    @staticmethod
    def backward(context, g):
        x, rows = context.saved_tensors
        n, c, h, w = x.shape
        padded, kernels = F.pad(x, (R,) * 4), rows.permute(3, 0, 4, 1, 2)
        g = F.pixel_unshuffle(g, 2).view(n, c, 4, h, w).transpose(1, 2)
        gpadded, gkernels = torch.zeros_like(padded), []
        for k, (i, j) in zip(kernels, TAPS):
            gkernels.append((g * padded[:, None, :, i:i + h, j:j + w]).sum(2))
            gpadded[:, :, i:i + h, j:j + w] += (g * k[:, :, None]).sum(1)
        return gpadded[:, :, R:R + h, R:R + w], torch.stack(gkernels).permute(1, 3, 4, 0, 2)


if triton:
    # All tensors channels last: x and gx [pixels, C], rows and grows [pixels, 25, 4], out and go [n, 2h, 2w, C]. A program has BLOCK pixels of x.

    @triton.jit
    def forward_kernel(x, rows, out, pixels, h, w, C: tl.constexpr, CC: tl.constexpr, BLOCK: tl.constexpr):
        p, c, s = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, CC), tl.program_id(1)
        px, py, image = p % w, p // w % h, p // (w * h)
        total = tl.zeros([BLOCK, CC], tl.float32)
        for tap in range(25):
            dy, dx = tap // 5 - 2, tap % 5 - 2
            inside = (p < pixels) & (py + dy >= 0) & (py + dy < h) & (px + dx >= 0) & (px + dx < w)
            v = tl.load(x + (p + dy * w + dx)[:, None] * C + c[None, :], mask=inside[:, None] & (c < C)[None, :], other=0)
            k = tl.load(rows + p * 100 + tap * 4 + s, mask=p < pixels, other=0)
            total += v * k[:, None]
        at = ((image * 2 * h + 2 * py + s // 2) * 2 * w + 2 * px + s % 2)[:, None] * C + c[None, :]
        tl.store(out + at, total, mask=(p < pixels)[:, None] & (c < C)[None, :])

    @triton.jit
    def rows_kernel(x, go, grows, pixels, h, w, C: tl.constexpr, CC: tl.constexpr, BLOCK: tl.constexpr):
        p, c, s = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, CC), tl.program_id(1)
        px, py, image = p % w, p // w % h, p // (w * h)
        at = ((image * 2 * h + 2 * py + s // 2) * 2 * w + 2 * px + s % 2)[:, None] * C + c[None, :]
        g = tl.load(go + at, mask=(p < pixels)[:, None] & (c < C)[None, :], other=0)
        for tap in range(25):
            dy, dx = tap // 5 - 2, tap % 5 - 2
            inside = (p < pixels) & (py + dy >= 0) & (py + dy < h) & (px + dx >= 0) & (px + dx < w)
            v = tl.load(x + (p + dy * w + dx)[:, None] * C + c[None, :], mask=inside[:, None] & (c < C)[None, :], other=0)
            tl.store(grows + p * 100 + tap * 4 + s, tl.sum(v * g, 1), mask=p < pixels)

    @triton.jit
    def features_kernel(rows, go, gx, pixels, h, w, C: tl.constexpr, CC: tl.constexpr, BLOCK: tl.constexpr):
        p, c = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, CC)
        px, py, image = p % w, p // w % h, p // (w * h)
        total = tl.zeros([BLOCK, CC], tl.float32)
        for tap in range(25):
            y, x = py - (tap // 5 - 2), px - (tap % 5 - 2)  # whose window has this pixel under this tap
            inside = (p < pixels) & (y >= 0) & (y < h) & (x >= 0) & (x < w)
            for s in range(4):
                k = tl.load(rows + ((image * h + y) * w + x) * 100 + tap * 4 + s, mask=inside, other=0)
                at = ((image * 2 * h + 2 * y + s // 2) * 2 * w + 2 * x + s % 2)[:, None] * C + c[None, :]
                total += k[:, None] * tl.load(go + at, mask=inside[:, None] & (c < C)[None, :], other=0)
        tl.store(gx + p[:, None] * C + c[None, :], total, mask=(p < pixels)[:, None] & (c < C)[None, :])


class Fused(torch.autograd.Function):
    @staticmethod
    def sizes(x):
        n, c, h, w = x.shape
        return (triton.cdiv(n * h * w, PIXELS),), (n * h * w, h, w), {'C': c, 'CC': triton.next_power_of_2(c), 'BLOCK': PIXELS}

    @staticmethod
    def forward(context, x, rows):
        x, rows = x.contiguous(memory_format=torch.channels_last), rows.contiguous()
        context.save_for_backward(x, rows)
        n, c, h, w = x.shape
        out = torch.empty(n, c, 2 * h, 2 * w, device=x.device, memory_format=torch.channels_last)
        grid, sizes, constants = Fused.sizes(x)
        forward_kernel[grid + (4,)](x, rows, out, *sizes, **constants)
        return out

    @staticmethod
    def backward(context, g):
        x, rows = context.saved_tensors
        g = g.contiguous(memory_format=torch.channels_last)
        gx, grows = torch.empty_like(x), torch.empty_like(rows)
        grid, sizes, constants = Fused.sizes(x)
        rows_kernel[grid + (4,)](x, g, grows, *sizes, **constants)
        features_kernel[grid](rows, g, gx, *sizes, **constants)
        return gx, grows


def agree(device):
    """Raises where the Triton kernels' values or gradients differ from torch's."""
    for c in (32, 48):
        generator = torch.Generator().manual_seed(c)
        x, rows, g = (torch.randn(*shape, generator=generator).to(device) for shape in ((2, c, 7, 9), (2, 7, 9, 25, 4), (2, c, 14, 18)))
        results = []
        for function in (Plain, Fused):
            a, b = x.clone().requires_grad_(), rows.clone().requires_grad_()
            out = function.apply(a, b)
            results.append([out.detach(), *torch.autograd.grad(out, (a, b), g)])
        for i, (want, got) in enumerate(zip(*results)):
            off = float((want - got).norm() / want.norm())
            if not off < 1e-5:
                raise ValueError(f'Triton differs from torch: number {i} of {c} channels, {off:.1e}')


enlarge = Plain.apply


def use_triton(device):
    """enlarge by Triton's kernels from now on, if they agree with torch."""
    global enlarge
    agree(device)
    enlarge = Fused.apply
