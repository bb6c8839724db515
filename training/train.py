"""Train a `carafe-luma` network: see README.md for the command of each model.

  python3 train.py --data DIR [--data DIR ...] --out DIR [--steps N] ...

Resumable: the checkpoint in --out holds weights, optimizer, EMA, random state and step; the same command goes on.
Deterministic: same seed, data and command give the same losses on the same machine, also when interrupted.
"""
import argparse
import hashlib
import json
import math
import os
import sys
import time

# Measured: the allocator settings make steps 17 % faster; BLAS threads only spin beside the step's own.
SETTINGS = {'MALLOC_MMAP_THRESHOLD_': '1000000000', 'MALLOC_TRIM_THRESHOLD_': '1000000000', 'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'}
if any(name not in os.environ for name in SETTINGS):
    os.environ.update({name: os.environ.get(name, value) for name, value in SETTINGS.items()})
    os.execv(sys.executable, [sys.executable, *sys.argv])

import numpy as np
import torch
from PIL import Image, ImageFilter

import degrade
import images
from carafe_luma import CONFIG, halo, initial, load_model, params, residual
from muon import Muon
from step import LOG_OFFSET, LOSSES, Step
import upsamplers


PLACES = {None: (1.0,), 'dial': degrade.PLACES, 'web': (1.0, 1.0, 1.0)}  # on the line between two ends: what batches train in turn
PAD = 16  # LR pixels of context each side of a prepared image: at least any network's halo, so that all of a scale share them


def prepare(path, scale, strong, draws, seed):
    """One image -> pairs of (LR luma padded by PAD, HR luma minus bicubic), float32 arrays: one, or bad and mild ones in turn, `draws` of each.

    The edges are replicated exactly as the package does it before it cuts tiles, so real borders are trained too.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    hr8 = images.crop_to_multiple(images.load_rgb(path), scale)
    for place in PLACES[strong] * draws:
        blur, noise, quality = degrade.draw(rng, place == 1) if strong == 'dial' else degrade.draw_web(rng) if strong else (0, 0, 0)
        seen = np.asarray(Image.fromarray(hr8).filter(ImageFilter.GaussianBlur(degrade.BLURS[blur] * scale))) if blur else hr8
        lr8 = images.downscale(seen, scale)
        if noise:
            lr8 = images.to8(lr8 + rng.normal(0, noise, lr8.shape[:2])[..., None])
        y = images.luma(degrade.jpeg(lr8, quality, 2 if rng.random() < 0.75 else 0))
        target = images.luma(hr8) - images.upscale_bicubic(y, scale)
        yield np.pad(y, PAD, mode='edge').astype(np.float32), target.astype(np.float32)


def load_folder(folder, config, cache, strong, draws):
    """-> (train, kept back). Prepared arrays are cached, as decoding and resizing take a while."""
    paths = images.list_images([folder])
    digest = hashlib.sha256(json.dumps([config['scale'], PAD, *(['strong', strong] if strong else []), *([draws] if draws > 1 else []), [[p, os.path.getsize(p)] for p in paths]]).encode()).hexdigest()[:16]
    file = os.path.join(cache, f'images-{digest}.npz')
    if not os.path.exists(file):
        prepared = []
        for i, path in enumerate(paths):
            prepared += prepare(path, config['scale'], strong, draws, i)
            if i % 50 == 49:
                print(f'\rpreparing {folder}: {i + 1}/{len(paths)}', end='', flush=True)
        print()
        flat = {'sizes': np.array([target.shape for _, target in prepared]),
                'y': np.concatenate([y.ravel() for y, _ in prepared]),
                'target': np.concatenate([target.ravel() for _, target in prepared])}
        os.makedirs(cache, exist_ok=True)
        with open(f'{file}.{os.getpid()}', 'wb') as part:
            np.savez(part, **flat)
        os.replace(part.name, file)
    with np.load(file) as stored:
        kept_as = np.float32 if draws == 1 else np.float16  # they are many then
        sizes, y, target = stored['sizes'], stored['y'].astype(kept_as), stored['target'].astype(kept_as)
    pairs, y_at, t_at, n, cut = [], 0, 0, 2 * PAD, PAD - halo(config)
    for h, w in sizes.tolist():
        ly, lx = h // config['scale'] + n, w // config['scale'] + n
        pairs.append((y[y_at:y_at + ly * lx].reshape(ly, lx)[cut:ly - cut, cut:lx - cut], target[t_at:t_at + h * w].reshape(h, w)))
        y_at, t_at = y_at + ly * lx, t_at + h * w
    kept = lambda i: i // (len(pairs) // len(paths)) % images.KEEP_BACK == images.KEEP_BACK - 1
    return [p for i, p in enumerate(pairs) if not kept(i)], [p for i, p in enumerate(pairs) if kept(i)]


class Patches:
    """Random patches: a folder by its share, an image by its area, then a place and one of 8 flips and rotations."""

    def __init__(self, folders, shares, config, patch, seed):
        self.scale, self.patch, self.full = config['scale'], patch, patch + 2 * halo(config)
        self.folders = [[p for p in pairs if min(p[0].shape) >= self.full] for pairs in folders]
        self.areas = [np.cumsum([(p[0].shape[0] - self.full + 1) * (p[0].shape[1] - self.full + 1) for p in pairs]) for pairs in self.folders]
        self.shares = np.cumsum(np.array(shares, float) / np.sum(shares))
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def batch(self, size):
        s, n = self.scale, self.patch
        ys, targets = np.empty((size, self.full, self.full), np.float32), np.empty((size, n * s, n * s), np.float32)
        for b in range(size):
            folder = int(np.searchsorted(self.shares, self.rng.random(), side='right'))
            areas = self.areas[folder]
            y, target = self.folders[folder][int(np.searchsorted(areas, self.rng.integers(areas[-1]), side='right'))]
            top, left = self.rng.integers(y.shape[0] - self.full + 1), self.rng.integers(y.shape[1] - self.full + 1)
            y = y[top:top + self.full, left:left + self.full]
            target = target[top * s:(top + n) * s, left * s:(left + n) * s]
            turn = self.rng.integers(8)
            if turn & 4:
                y, target = y[:, ::-1], target[:, ::-1]
            ys[b], targets[b] = np.rot90(y, turn & 3), np.rot90(target, turn & 3)
        return ys, targets


def kept_back_psnr(weights, pairs, config):
    """Mean luma PSNR in dB over whole images, border of `scale` shaved, on the 16..235 range without rounding."""
    scores = []
    with torch.no_grad():
        for y, target in pairs:
            got = residual(weights, torch.from_numpy(np.asarray(y, np.float32))[None, None], config)[0, 0].numpy()
            error = ((got - target) * (219 / 255))[config['scale']:-config['scale'], config['scale']:-config['scale']]
            scores.append(-10 * math.log10(max(float(np.mean(error.astype(np.float64)**2)), 1e-10)))
    return float(np.mean(scores))


def options():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--data', action='append', required=True, help='folder of images, DIR or DIR=SHARE; may be given several times')
    arg.add_argument('--out', required=True, help='folder for checkpoints and the log')
    arg.add_argument('--cache', help='folder for prepared images and the compiled step (default: OUT/cache)')
    arg.add_argument('--steps', type=int, default=18000)
    arg.add_argument('--stop', type=int, help='end at this step of the schedule of --steps')
    arg.add_argument('--batch', type=int, default=8)
    arg.add_argument('--patch', type=int, default=48, help='LR pixels of a patch that count in the loss')
    arg.add_argument('--lr', type=float, default=7e-3)
    arg.add_argument('--final-lr', type=float, default=1e-6)
    arg.add_argument('--warmup', type=int, default=100)
    arg.add_argument('--clip', type=float, default=3, help='gradient norm is clipped to this many times its running mean')
    arg.add_argument('--ema', type=float, default=0.999)
    arg.add_argument('--loss', choices=LOSSES, default='l1')
    arg.add_argument('--strong', nargs='?', const='dial', choices=('dial', 'web'), help='train the strong end, for bad images, and the middle of the line to it from --start, the clean end; web: the end alone, as the first ones were')
    arg.add_argument('--draws', type=int, default=1, help='with --strong: how many bad and how many mild versions of each image')
    arg.add_argument('--start', help='begin from the weights of this checkpoint or .safetensors (fine-tuning)')
    arg.add_argument('--strong-start', help='begin the strong end from this one, at its place 1, and not from the clean end')
    arg.add_argument('--seed', type=int, default=1)
    arg.add_argument('--threads', type=int, default=1)
    arg.add_argument('--save-minutes', type=float, default=2)
    arg.add_argument('--eval-steps', type=int, default=1000)
    for key, value in CONFIG.items():
        arg.add_argument(f'--{key}', type=type(value), default=value)
    arg.add_argument('--upsampler', choices=upsamplers.KINDS, help='instead of CARAFE, for comparison: such a network is not exported')
    arg.add_argument('--smoke', action='store_true', help='one minute: checks step.cpp against torch, then trains 150 small steps')
    o = arg.parse_args()
    if not o.strong and (o.strong_start or o.draws != 1):
        arg.error('--strong-start and --draws are for --strong')
    o.stop = o.stop or o.steps
    if o.smoke:
        o.steps, o.stop, o.batch, o.patch, o.eval_steps = 150, 150, 4, 24, 75
    return o


def load_sources(data, config, cache, strong, draws):
    """Every --data as (name, share, train, kept back); without a share a folder counts by its pixels."""
    sources = []
    for item in data:
        folder, _, share = item.partition('=')
        train, kept = load_folder(folder, config, cache, strong, draws)
        name = os.path.basename(os.path.normpath(folder))
        sources.append((name, float(share) if share else sum(target.size for _, target in train), train, kept))
    return sources


def start_log(path, o, config, sources):
    given = {key: value for key, value in vars(o).items() if key not in ('data', 'out', 'cache', 'start', 'strong_start', 'save_minutes', 'smoke')}
    with open(path, 'w') as file:
        file.write(f'# carafe-luma {json.dumps(config)} params {params(config)}\n'
                   f'# data {" ".join(f"{name}={share:g}:{len(train)}+{len(kept)}" for name, share, train, kept in sources)}\n'
                   f'# options {json.dumps(given)} {" ".join(f"{name} {os.path.join(*path.split(os.sep)[-2:]) if path else None}" for name, path in (("start", o.start), ("strong-start", o.strong_start)) if path or name == "start")}\n')


def cut_log(path, done):
    """Drops the lines that were written after the checkpoint, or they would come twice."""
    with open(path) as file:
        lines = file.readlines()
    with open(path, 'w') as file:
        file.writelines(line for line in lines if line.startswith('#') or int(line.split()[1]) <= done)


def main():
    o = options()
    torch.set_num_threads(o.threads)
    config = {key: getattr(o, key) for key in CONFIG}
    if o.upsampler:
        config.update(groups=1, kUp=1, upsampler=o.upsampler)
    os.makedirs(o.out, exist_ok=True)
    cache = o.cache or os.path.join(o.out, 'cache')
    step = Step(config, cache, o.threads)
    if o.smoke:
        check_step(step, config)

    sources = load_sources(o.data, config, cache, o.strong, o.draws)
    places = PLACES[o.strong]
    patches = [Patches([train[i::len(places)] for _, _, train, _ in sources], [share for _, share, _, _ in sources], config, o.patch, o.seed + 1000 * i) for i in range(len(places))]
    weights = initial(config, o.seed)
    if o.start:  # the layers that fit: a network of another scale shares head and body
        for key, value in load_model(o.start)[0].items():
            if key in weights and weights[key].shape == value.shape:
                weights[key] = value
    clean = {key: value.clone() for key, value in weights.items()}
    if o.strong_start:
        weights = {key: load_model(o.strong_start, 1)[0][key].clone() for key in clean}
    values = [value.requires_grad_(True) for value in weights.values()]
    optimizer = Muon(values, o.lr)
    ema = {key: value.detach().clone() for key, value in weights.items()}
    done, spent, usual_norm, losses, checkpoint = 0, 0.0, 0.0, [], os.path.join(o.out, 'checkpoint.pt')
    log = os.path.join(o.out, 'train.log')
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        for key, value in saved['parameters'].items():
            weights[key].data.copy_(value)
        optimizer.load_state_dict(saved['optimizer'])
        ema, done, spent, usual_norm = saved['ema'], saved['step'], saved['seconds'], saved['norm']
        losses = saved['losses']
        for one, state in zip(patches, saved['rng']):
            one.rng.bit_generator.state = state
        cut_log(log, done)
    else:
        start_log(log, o, config, sources)

    def save():
        torch.save({'parameters': {key: value.detach() for key, value in weights.items()}, 'optimizer': optimizer.state_dict(),
                    'ema': ema, 'step': done, 'norm': usual_norm, 'losses': losses[-o.eval_steps:], 'config': config,
                    'seconds': spent + time.time() - started, 'rng': [one.rng.bit_generator.state for one in patches]}, checkpoint + '.part')
        os.replace(checkpoint + '.part', checkpoint)

    began, started, last_save = done, time.time(), time.time()
    while done < o.stop:
        progress = done / o.steps
        rate = o.final_lr + (o.lr - o.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))
        optimizer.param_groups[0]['lr'] = rate * min(1, (done + 1) / o.warmup)
        optimizer.zero_grad(set_to_none=True)
        turn = done % len(places)
        y, target = patches[turn].batch(o.batch)
        decay = min(o.ema, (1 + done) / (10 + done))
        with torch.no_grad():
            torch._foreach_mul_(list(ema.values()), decay)
            torch._foreach_add_(list(ema.values()), values, alpha=1 - decay)
        used = {key: torch.lerp(clean[key], value, places[turn]) for key, value in weights.items()} if o.strong else weights
        loss = step.backward(used, y, target, o.loss)
        norm = float(torch.nn.utils.clip_grad_norm_(values, o.clip * usual_norm if done > o.warmup else float('inf')))
        usual_norm = norm if done == 0 else 0.99 * usual_norm + 0.01 * min(norm, 4 * usual_norm)
        optimizer.step()
        done += 1
        losses.append(loss)
        if not math.isfinite(loss):
            raise SystemExit(f'Loss is {loss} at step {done}: lower --lr, or resume from the last checkpoint')
        if done % 20 == 0 and sys.stdout.isatty():
            left = (time.time() - started) / 60 / (done - began) * (o.stop - done)
            bar = '#' * int(30 * done / o.stop)
            print(f'\r[{bar:30}] {done}/{o.stop} loss {np.mean(losses[-100:]):.5f}, {left:.0f} min left ', end='', flush=True)
        if done % o.eval_steps == 0 or done == o.stop:
            scores = ' '.join(f'{name}{"" if place == 1 else "-mild"} {kept_back_psnr({key: torch.lerp(clean[key], ema[key], place) for key in ema}, [pair for i, pair in enumerate(kept) if places[i % len(places)] == place], config):.3f}'
                              for name, _, _, kept in sources if kept for place in dict.fromkeys(places))
            seconds = spent + time.time() - started
            line = f'step {done} loss {np.mean(losses[-o.eval_steps:]):.6f} lr {rate:.2e} kept-back {scores} minutes {seconds / 60:.1f}'
            print(('\n' if sys.stdout.isatty() else '') + line, flush=True)
            with open(log, 'a') as file:
                file.write(line + '\n')
        if time.time() - last_save > o.save_minutes * 60 or done == o.stop:
            save()
            last_save = time.time()


def check_step(step, config):
    """step.cpp against torch autograd on a small patch."""
    n, s = 12, config['scale']
    generator = torch.Generator().manual_seed(5)
    y = torch.rand(2, 1, n + 2 * halo(config), n + 2 * halo(config), generator=generator)
    target = torch.randn(2, 1, n * s, n * s, generator=generator) * 0.1
    weights = {key: value.requires_grad_(True) for key, value in initial(config).items()}
    for kind in LOSSES:
        error = residual(weights, y, config) - target
        expected = error.abs().mean() if kind == 'l1' else (error**2).mean() if kind == 'l2' else ((error**2).mean((1, 2, 3)) + LOG_OFFSET).log().mean()
        gradients = torch.autograd.grad(expected, list(weights.values()))
        loss = step.backward(weights, y[:, 0].numpy(), target[:, 0].numpy(), kind)
        worst = max(float((value.grad - gradient).abs().max() / gradient.abs().max()) for value, gradient in zip(weights.values(), gradients))
        for value in weights.values():
            value.grad = None
        assert abs(loss - expected.item()) < 1e-5 * abs(expected.item()) and worst < 1e-4, (kind, loss, expected.item(), worst)
        print(f'step.cpp equals torch ({kind}): worst relative gradient difference {worst:.1e}')


if __name__ == '__main__':
    main()
