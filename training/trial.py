"""Does CARAFE win? Two small networks with every upsampler of the paper's table 2, trained on equal batches for equally many steps.

  python3 trial.py --images DIR --more DIR --out DIR --seconds N

inpainting: architectures.InpaintingUNet fills free-form strokes on photographs (the paper's table 7). foreground: ForegroundFpn finds clip
art in front of photographs. Each kind of upsampler with three seeds; a seed is the weights to begin with (the same for all kinds, where a
tensor has the same name) and the order of the batches. All networks take a step in turn, so that they have equally many whenever the clock
stops them; the learning rate follows the clock. Then the best inpainting network with CARAFE is trained on, by itself: inpaint.safetensors.
OUT gets results.json, inpaint.safetensors and log. With a GPU a step is a CUDA graph on one of several streams; what cannot be captured runs without.
`--wait FILE`: prepare, and begin when the file is there.
"""
import argparse
import json
import math
import multiprocessing
import os
import threading
import time
import traceback
import zlib

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
os.environ.setdefault('CUDA_MODULE_LOADING', 'LAZY')
os.environ.setdefault('CUDA_DEVICE_MAX_CONNECTIONS', '32')

import numpy as np
from PIL import Image, ImageDraw

import images

BEGAN = time.monotonic()
TASKS = ('inpainting', 'foreground')
SOURCES = ('bsds400', 'cid22', 'wallpapers')
ROWS = 1 << 16  # batches begin again after so many patches
MASK, MASKS = 128, 4096  # pixels on a side, and how many
ART, ART_SIZES = 128, (32, 44, 56, 72)
BRUSH = 5, 20  # pixels of a stroke's width


# ---- what patches are cut from: on the CPU's cores, before torch is there ----

def photograph(paths):
    """Luma and chroma's file -> uint8 RGB."""
    y = Image.open(paths[0]).convert('L')
    both = Image.open(paths[1]).convert('L')
    half = both.height // 2
    cb, cr = (both.crop((0, top, both.width, top + half)).resize(y.size, Image.BILINEAR) for top in (0, half))
    return np.asarray(Image.merge('YCbCr', (y, cb, cr)).convert('RGB'))


def strokes(seed):
    """[MASK, MASK] uint8, 1 in the hole: walks of a round brush."""
    rng = np.random.default_rng((5, seed))
    mask = Image.new('L', (MASK, MASK))
    draw = ImageDraw.Draw(mask)
    for _ in range(rng.integers(2, 7)):
        width, angle = int(rng.integers(BRUSH[0], BRUSH[1] + 1)), rng.uniform(0, 2 * math.pi)
        x, y = rng.uniform(0, MASK, 2)
        for _ in range(rng.integers(1, 7)):
            angle += rng.normal() * 0.7
            length = rng.uniform(6, 36)
            nx, ny = x + length * math.cos(angle), y + length * math.sin(angle)
            draw.line((x, y, nx, ny), 1, width)
            for px, py in ((x, y), (nx, ny)):
                r = (width - 1) / 2
                draw.ellipse((px - r, py - r, px + r, py + r), 1)
            x, y = nx, ny
    return np.asarray(mask)


def art(path):
    """-> [sizes, ART, ART, 4] uint8, each in the middle."""
    out = []
    for size in ART_SIZES:
        picture = Image.open(path).convert('RGBA')
        picture.thumbnail((size, size), Image.BOX)
        canvas = Image.new('RGBA', (ART, ART))
        canvas.paste(picture, ((ART - picture.width) // 2, (ART - picture.height) // 2))
        out.append(np.asarray(canvas))
    return np.stack(out)


def pairs(folder, more, limit):
    """[(luma's path, chroma's path)], each source's in order, and whether each is kept back."""
    out = []
    for source in SOURCES:
        chroma = {os.path.splitext(os.path.basename(p))[0]: p for p in images.list_images([os.path.join(more, 'chroma', source)])}
        for index, path in enumerate(images.list_images([os.path.join(folder, source)])[:limit]):
            name = os.path.splitext(os.path.basename(path))[0]
            if name in chroma:
                out.append(((path, chroma[name]), index % images.KEEP_BACK == images.KEEP_BACK - 1))
    return out


def options():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--images', required=True, help="carry.py's")
    arg.add_argument('--more', required=True, help="carry_trial.py's")
    arg.add_argument('--out', required=True)
    arg.add_argument('--seconds', type=float, default=190, help='from the beginning of training to the end')
    arg.add_argument('--filler-seconds', type=float, default=50, help='of them, for the network that is trained on')
    arg.add_argument('--wait', help='a file')
    arg.add_argument('--safe', action='store_true', help='neither graphs nor Triton')
    arg.add_argument('--device', default='cuda')
    arg.add_argument('--tasks', nargs='*', default=list(TASKS))
    arg.add_argument('--kinds', nargs='*')
    arg.add_argument('--seeds', type=int, default=3)
    arg.add_argument('--batch', type=int, default=16)
    arg.add_argument('--patch', type=int, default=64)
    arg.add_argument('--filler-batch', type=int, default=32)
    arg.add_argument('--filler-patch', type=int, default=96)
    arg.add_argument('--lr', type=float, default=2e-3)
    arg.add_argument('--streams', type=int, default=12)
    arg.add_argument('--limit', type=int, help='images of each source')
    arg.add_argument('--log-seconds', type=float, default=20)
    arg.add_argument('--cases', type=int, default=200, help='to measure with, of each task')
    return arg.parse_args()


if __name__ == '__main__':
    OPTIONS = options()
    POOL = multiprocessing.get_context('fork').Pool(max(1, min(8, (os.cpu_count() or 2) - 1)))
    PAIRS = pairs(OPTIONS.images, OPTIONS.more, OPTIONS.limit)
    READING = [POOL.map_async(photograph, [p for p, _ in PAIRS], 8), POOL.map_async(strokes, range(MASKS), 64),
               POOL.map_async(art, images.list_images([os.path.join(OPTIONS.more, 'cutouts')])[:OPTIONS.limit], 8)]

import torch
import torch.nn.functional as F

import reassembly
import weights
from architectures import KINDS, Carafe, ForegroundFpn, InpaintingUNet

torch.set_num_threads(1)
torch.set_default_dtype(torch.float32)  # golden.py wants float64
torch.backends.cudnn.allow_tf32 = True


def say(text):
    line = f'[{time.monotonic() - BEGAN:6.1f}] {text}'
    print(line, flush=True)
    with open(os.path.join(OPTIONS.out, 'log'), 'a') as file:
        file.write(line + '\n')


PULSE = [time.monotonic()]
PATIENCE = 90  # seconds without a network prepared or a round done, which is a GPU that hangs


def pulse():
    PULSE[0] = time.monotonic()


def watch_pulse():
    while time.monotonic() - PULSE[0] < PATIENCE:
        time.sleep(1)
    say('nothing moves')
    os._exit(3)


def carafe_forward(module, x):
    """Carafe.forward with gradients."""
    logits = module.content_encoder(module.channel_compressor(x)).permute(0, 2, 3, 1)
    return reassembly.enlarge(x, logits.reshape(*logits.shape[:3], module.k_up**2, 4).softmax(3))


Carafe.forward = carafe_forward


# ---- patches ----

class Store:
    """Pictures of several sizes in one flat array of pixels on the device; windows of them by their corner and steps, flipped and turned."""

    def __init__(self, pictures, kept, device):
        self.sizes = np.array([p.shape[:2] for p in pictures], np.int64)
        self.at = np.cumsum([0] + [h * w for h, w in self.sizes])[:-1]
        self.kept = np.array(kept, bool)
        channels = pictures[0].shape[2] if pictures[0].ndim == 3 else 1
        self.pixels = torch.from_numpy(np.concatenate([p.reshape(-1, channels) for p in pictures])).to(device)

    def table(self, rng, patch, kept, rows):
        """[rows, 3]: a window's first pixel, and what a step down and right adds."""
        usable = np.flatnonzero((self.kept == kept) & (self.sizes.min(1) >= patch))
        h, w = self.sizes[usable].T
        areas = np.cumsum((h - patch + 1) * (w - patch + 1))
        picked = np.searchsorted(areas, rng.integers(0, areas[-1], rows), side='right')
        h, w, at = h[picked], w[picked], self.at[usable[picked]]
        top, left = (rng.random(rows) * (h - patch + 1)).astype(np.int64), (rng.random(rows) * (w - patch + 1)).astype(np.int64)
        down_flipped, right_flipped, turned = rng.integers(0, 2, (3, rows))
        base = at + top * w + left + np.where(down_flipped, (patch - 1) * w, 0) + np.where(right_flipped, patch - 1, 0)
        down, right = np.where(down_flipped, -w, w), np.where(right_flipped, -1, 1)
        return np.stack([base, np.where(turned, right, down), np.where(turned, down, right)], 1)

    def windows(self, rows, patch):
        """[n, 3] -> [n, c, patch, patch] in 0..255, channels last."""
        at = torch.arange(patch, device=rows.device)
        base, down, right = rows.t()
        index = base[:, None, None] + at[None, :, None] * down[:, None, None] + at[None, None, :] * right[:, None, None]
        return self.pixels[index].permute(0, 3, 1, 2).float()


class Lane:
    """The batches of one task and seed: `draw` puts the next one into tensors that stay where they are."""

    def __init__(self, stores, task, seed, batch, patch, kept=False, rows=ROWS):
        rng = np.random.default_rng((task == 'foreground', seed, kept))
        self.task, self.stores, self.batch, self.patch = task, stores, batch, patch
        names = ('photographs', 'masks') if task == 'inpainting' else ('photographs', 'art', 'art')
        device = stores['photographs'].pixels.device
        self.tables = [(stores[name], torch.from_numpy(stores[name].table(rng, patch, kept, rows)).to(device)) for name in names]
        if task == 'foreground':  # half of the pictures have one piece of art in front
            self.second = torch.from_numpy(rng.integers(0, 2, rows).astype(np.float32)).to(device)
        self.at = torch.zeros(1, dtype=torch.int64, device=device)
        self.rows, self.steps = rows, torch.arange(batch, device=device)
        self.x, self.y, self.hole = self.compute()
        self.graph = None

    def compute(self):
        """-> the network's input, the target, and where it counts."""
        rows = (self.at + self.steps) % self.rows
        picture, *others = (store.windows(table[rows], self.patch) for store, table in self.tables)
        rgb = picture / 255 - 0.5
        if self.task == 'inpainting':
            hole = others[0]
            return torch.cat([rgb * (1 - hole), 1 - hole], 1).contiguous(memory_format=torch.channels_last), rgb, hole
        covered = torch.zeros_like(rgb[:, :1])
        for i, piece in enumerate(others):
            alpha = piece[:, 3:] / 255 * (self.second[rows].view(-1, 1, 1, 1) if i else 1)
            rgb = rgb * (1 - alpha) + (piece[:, :3] / 255 - 0.5) * alpha
            covered = covered + alpha - covered * alpha
        return rgb.contiguous(memory_format=torch.channels_last), covered, torch.ones_like(covered)

    def step(self):
        for mine, new in zip((self.x, self.y, self.hole), self.compute()):
            mine.copy_(new)
        self.at.add_(self.batch)

    def draw(self):
        self.graph.replay() if self.graph else self.step()


# ---- networks ----

def begin(module, seed):
    """Each tensor by its name and the seed: so that what two networks have in common begins alike."""
    for name, p in module.named_parameters():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + seed)
        with torch.no_grad():
            if p.dim() < 4:
                p.zero_()
                continue
            transposed = name.rsplit('.', 1)[0] in [n for n, m in module.named_modules() if isinstance(m, torch.nn.ConvTranspose2d)]
            fan = p[:, 0].numel() / 4 if transposed else p[0].numel()
            linear = transposed or '.ups.' in f'.{name}' or 'upsample' in name or name.split('.')[0] in ('up', 'out', 'logits')
            p.normal_(0, math.sqrt((1 if linear else 2 / 1.04) / fan), generator=generator)
            if 'content_encoder' in name or 'offset' in name or 'guidance.4' in name or name == 'out.weight':  # as mmcv and DySample: at first hardly any difference between pixels
                p.normal_(0, 0.001, generator=generator)


class Learner:
    """A network, its weights in one vector, and Adam's step on it."""

    def __init__(self, task, kind, seed, lane, lr, device):
        self.task, self.kind, self.seed, self.lane, self.lr = task, kind, seed, lane, lr
        self.module = (InpaintingUNet if task == 'inpainting' else ForegroundFpn)(kind)
        begin(self.module, seed)
        self.module.to(device)
        self.parameters = list(self.module.parameters())
        self.flat = torch.cat([self.packed(p.data) for p in self.parameters])
        at = 0
        for p in self.parameters:  # views of the vector, convolutions' channels last
            part = self.flat[at:at + p.numel()]
            at += p.numel()
            p.data = part.view(p.shape[0], p.shape[2], p.shape[3], p.shape[1]).permute(0, 3, 1, 2) if p.dim() == 4 else part.view(p.shape)
        self.mean, self.square = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.count = torch.zeros(1, device=device)
        self.loss = torch.zeros(1, device=device)  # its running mean
        self.graph = self.stream = None
        self.failed = False

    @staticmethod
    def packed(p):
        return p.permute(0, 2, 3, 1).reshape(-1) if p.dim() == 4 else p.reshape(-1)

    def error(self, x, y, hole):
        [out] = self.module([x])
        if self.task == 'foreground':
            return F.binary_cross_entropy_with_logits(out, y)
        return ((out - y).abs() * hole).sum() / (3 * hole.sum() + 1)

    def step(self):
        loss = self.error(self.lane.x, self.lane.y, self.lane.hole)
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        with torch.no_grad():
            g = torch.cat([self.packed(torch.zeros_like(p) if d is None else d) for p, d in zip(self.parameters, gradients)])
            g *= (1 / (g.norm() + 1e-12)).clamp(max=1)
            self.count += 1
            self.mean.mul_(0.9).add_(g, alpha=0.1)
            self.square.mul_(0.99).addcmul_(g, g, value=0.01)
            step = self.mean / (1 - torch.pow(0.9, self.count)) / ((self.square / (1 - torch.pow(0.99, self.count))).sqrt() + 1e-8)
            self.flat.sub_(step * self.lr)
            self.loss.lerp_(loss.detach().view(1), 0.02)

    def advance(self):
        self.graph.replay() if self.graph else self.step()


def capture(thing, stream):
    """A CUDA graph of thing.step(), whose effects so far are undone."""
    state = [t for t in vars(thing).values() if isinstance(t, torch.Tensor)]
    before = [t.clone() for t in state]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            thing.step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        thing.step()
    for t, old in zip(state, before):
        t.copy_(old)
    torch.cuda.synchronize()
    thing.graph = graph


# ---- measuring ----

@torch.no_grad()
def measure(learner, cases, part=50):
    """Of kept-back pictures, by each case: inpainting: PSNR and mean error in the hole, 8-bit; foreground: intersection over union, mean error."""
    values = []
    for x, y, hole in zip(*(t.split(part) for t in cases)):
        [out] = learner.module([x])
        if learner.task == 'inpainting':
            off = (((out + 0.5).clamp(0, 1) * 255).round() - (y + 0.5) * 255) * hole
            area = 3 * hole.sum((1, 2, 3))
            squares = (off**2).sum((1, 2, 3)) / area
            values.append(torch.stack([10 * torch.log10(255**2 / squares.clamp(min=1e-3)), off.abs().sum((1, 2, 3)) / area / 255], 1))
        else:
            found, there = out.sigmoid(), y > 0.5
            union = ((found > 0.5) | there).sum((1, 2, 3))
            values.append(torch.stack([((found > 0.5) & there).sum((1, 2, 3)) / union.clamp(min=1), (found - y).abs().mean((1, 2, 3))], 1))
    return torch.cat(values).double().mean(0).tolist()


def cases_of(stores, task, count, patch):
    lane = Lane(stores, task, 0, 4 * count, patch, kept=True, rows=4 * count)
    area = (lane.hole if task == 'inpainting' else lane.y).mean((1, 2, 3))
    good = torch.nonzero((area > 0.05) & (area < 0.6))[:count, 0]
    return [t[good] for t in (lane.x, lane.y, lane.hole)]


METRICS = {'inpainting': ('psnr', 'l1'), 'foreground': ('iou', 'error')}


def report(learners, cases, steps, seconds):
    rows = []
    for one in learners:
        values = dict(zip(METRICS[one.task], measure(one, cases[one.task])))
        rows.append({'task': one.task, 'kind': one.kind, 'seed': one.seed, 'loss': float(one.loss), 'parameters': one.flat.numel(), **values})
    with open(os.path.join(OPTIONS.out, 'results.json.part'), 'w') as file:
        json.dump({'steps': steps, 'seconds': seconds, 'batch': OPTIONS.batch, 'patch': OPTIONS.patch, 'device': OPTIONS.device, 'networks': rows}, file, indent=1)
    os.replace(os.path.join(OPTIONS.out, 'results.json.part'), os.path.join(OPTIONS.out, 'results.json'))
    for task in {row['task'] for row in rows}:
        name = METRICS[task][0]
        by_kind = {kind: [r[name] for r in rows if r['task'] == task and r['kind'] == kind] for kind in KINDS}
        say(f'{steps} steps, {task} {name}: ' + ', '.join(f'{kind} {np.mean(v):.4g}' for kind, v in by_kind.items() if v))
    return rows


def save(learner, psnr):
    path = os.path.join(OPTIONS.out, 'inpaint.safetensors')
    tensors = {name: value.cpu().numpy() for name, value in learner.module.state_dict().items()}
    metadata = {'architecture': 'inpainting-unet', 'name': 'inpaint', 'upsampler': learner.kind, 'steps': int(learner.count),
                'psnr': f'{psnr:.2f}', 'licence': 'MIT for the weights; see the card for the training images'}
    weights.save(path + '.part', tensors, metadata, 'F16')
    os.replace(path + '.part', path)


# ---- by the clock ----

def train(learners, lanes, seconds, lr, schedule, watch):
    """Rounds of one step of every network until `seconds` are over. watch(steps) now and then. -> rounds"""
    cuda = OPTIONS.device == 'cuda'
    main = torch.cuda.current_stream() if cuda else None
    start, steps, watched = time.monotonic(), 0, time.monotonic()
    ahead = []
    while (gone := time.monotonic() - start) < seconds:
        pulse()
        lr.fill_(schedule(gone / seconds, steps))
        for lane in lanes:
            lane.draw()
        streams = {one.stream for one in learners if one.stream}
        for stream in streams:
            stream.wait_stream(main)
        for one in learners:
            if one.stream:
                with torch.cuda.stream(one.stream):
                    one.advance()
            else:
                one.advance()
        for stream in streams:
            main.wait_stream(stream)
        steps += 1
        if cuda:
            event = torch.cuda.Event()
            event.record()
            ahead.append(event)
            if len(ahead) > 2:
                ahead.pop(0).synchronize()
        if time.monotonic() - watched > OPTIONS.log_seconds:
            began = time.monotonic()
            watch(steps)
            watched = time.monotonic()
            start += watched - began  # measuring is no training
            seconds -= watched - began
    if cuda:
        torch.cuda.synchronize()
    return steps


def cosine(peak, warmup=100):
    return lambda share, steps: peak * min(1, (steps + 1) / warmup) * max(1e-3, 0.5 + 0.5 * math.cos(math.pi * min(1, share)))


def prepare(things):
    """CUDA graphs, where they can be captured."""
    stream = torch.cuda.Stream()
    for thing in [] if OPTIONS.safe else things:
        pulse()
        try:
            capture(thing, stream)
        except Exception:
            say(f'no graph: {traceback.format_exc(limit=3)}')
            torch.cuda.synchronize()
            thing.graph = None


def main():
    o, device = OPTIONS, OPTIONS.device
    os.makedirs(o.out, exist_ok=True)
    pictures, masks, pieces = (job.get() for job in READING)
    POOL.close()
    say(f'{len(pictures)} photographs, {len(masks)} masks, {len(pieces)} pieces of art; torch {torch.__version__}')
    if device == 'cuda':
        pulse()
        threading.Thread(target=watch_pulse, daemon=True).start()
    if device == 'cuda' and not o.safe:
        try:
            reassembly.use_triton(device)
            say('reassembly by Triton')
        except Exception:
            say(f'reassembly by torch: {traceback.format_exc(limit=3)}')
    kept_pieces = np.repeat(np.arange(len(pieces)) % images.KEEP_BACK == images.KEEP_BACK - 1, len(ART_SIZES))
    stores = {'photographs': Store(pictures, [kept for _, kept in PAIRS], device),
              'masks': Store(masks, np.arange(len(masks)) % images.KEEP_BACK == images.KEEP_BACK - 1, device),
              'art': Store([one for piece in pieces for one in piece], kept_pieces, device)}
    lr = torch.zeros(1, device=device)
    cases = {task: cases_of(stores, task, o.cases, 96 if task == 'inpainting' else 64) for task in o.tasks}
    lanes = {(task, seed): Lane(stores, task, seed, o.batch, o.patch) for task in o.tasks for seed in range(o.seeds)}
    learners = [Learner(task, kind, seed, lanes[task, seed], lr, device) for seed in range(o.seeds) for task in o.tasks for kind in o.kinds or KINDS]
    if device == 'cuda':
        streams = [torch.cuda.Stream() for _ in range(o.streams)]
        prepare(list(lanes.values()) + learners)
        for i, one in enumerate(learners):
            one.stream = streams[i % o.streams]
        bare = sum(one.graph is None for one in learners)
        say(f'{len(learners) - bare} of {len(learners)} networks have a graph; {torch.cuda.max_memory_allocated() / 1e9:.1f} GB')
        if bare > 6:  # without graphs there is no time for all
            learners = [one for one in learners if one.seed == 0]
    say('ready')
    while o.wait and not os.path.exists(o.wait):
        pulse()
        time.sleep(0.2)
    began, share = time.monotonic(), max(0.0, o.seconds - o.filler_seconds)

    def watch(steps):
        return report(learners, cases, steps, time.monotonic() - began)

    steps = train(learners, list(lanes.values()), share - 3, lr, cosine(o.lr), watch)
    rows = watch(steps)
    if 'inpainting' not in o.tasks or o.filler_seconds <= 0:
        return
    best = max((row for row in rows if row['task'] == 'inpainting' and row['kind'] == 'carafe'), key=lambda row: row['psnr'])
    old = next(one for one in learners if (one.task, one.kind, one.seed) == ('inpainting', 'carafe', best['seed']))
    save(old, best['psnr'])
    lane = Lane(stores, 'inpainting', 77, o.filler_batch, o.filler_patch)
    filler = Learner('inpainting', 'carafe', best['seed'], lane, lr, device)
    for name in ('flat', 'mean', 'square', 'count'):
        getattr(filler, name).copy_(getattr(old, name))
    if device == 'cuda':
        prepare([lane, filler])
    reached = [best['psnr']]

    def keep(steps):
        psnr, l1 = measure(filler, cases['inpainting'])
        say(f'filler: {steps} steps, {psnr:.2f} dB, {l1:.4f}')
        if psnr > reached[0]:
            reached[0] = psnr
            save(filler, psnr)

    left = o.seconds - (time.monotonic() - began) - 3
    keep(train([filler], [lane], left, lr, cosine(o.lr / 2), keep))
    say('done')


if __name__ == '__main__':
    main()
