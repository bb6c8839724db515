"""PSNR and SSIM of a .safetensors or checkpoint over folders of HR images, as the package computes an image.

LR = MATLAB-like antialiased bicubic in 8 bit RGB; out = bicubic RGB plus the network's luma residual, rounded to 8-bit
RGB; measured on BT.601 luma 16..235 rounded, border of `scale` shaved.

  python3 evaluate.py MODEL --data DIR [--data DIR] [--each] [--jpeg Q] [--noise S] [--restore R ...]

The small image may be made worse first, by noise (of S, in each of R, G, B by itself; the same at every call) and then as a JPEG (chroma at half
resolution). Of a model with two ends, --restore says where between them; several places are measured one after the other.
"""
import argparse
import io
import os

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
import torch
from PIL import Image

import images
from carafe_luma import CONFIG, halo, load_model, residual


def upscale(model, config, lr8):
    """uint8 RGB -> uint8 RGB; model None is bicubic."""
    up = images.upscale_bicubic(lr8.astype(np.float64), config['scale'])
    if model:
        y = np.pad(images.luma(lr8), halo(config), mode='edge').astype(np.float32)
        with torch.no_grad():
            up += residual(model, torch.from_numpy(y)[None, None], config)[0, 0].numpy()[..., None] * 255.0
    return images.to8(up)


def worsen(lr8, jpeg, noise, subsampling=2):
    if noise:
        lr8 = images.to8(lr8 + np.random.default_rng(lr8.shape[0] * 10007 + lr8.shape[1]).normal(0, noise, lr8.shape))
    if jpeg:
        file = io.BytesIO()
        Image.fromarray(lr8).save(file, 'jpeg', quality=jpeg, subsampling=subsampling)
        lr8 = np.asarray(Image.open(file))
    return lr8


def measure(model, config, path, jpeg=0, noise=0):
    scale = config['scale']
    hr8 = images.crop_to_multiple(images.load_rgb(path), scale)
    got, want = images.y16(upscale(model, config, worsen(images.downscale(hr8, scale), jpeg, noise))), images.y16(hr8)
    return images.psnr(got, want, scale), images.ssim(got, want, scale)


if __name__ == '__main__':
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('model', help='.safetensors, checkpoint.pt or "bicubic"')
    arg.add_argument('--data', action='append', required=True)
    arg.add_argument('--scale', type=int, default=2, help='for "bicubic" only')
    arg.add_argument('--each', action='store_true', help='also a line per image')
    arg.add_argument('--kept-back', action='store_true', help='only the images that train.py keeps back')
    arg.add_argument('--jpeg', type=int, default=0, help='quality of the small image as a JPEG')
    arg.add_argument('--noise', type=float, default=0, help='standard deviation of noise added to the small image, 0..255')
    arg.add_argument('--restore', type=float, nargs='+', default=[0.0], help='0: the clean end, 1: the strong one')
    o = arg.parse_args()
    torch.set_num_threads(1)
    for restore in o.restore:
        model, config = (None, {**CONFIG, 'scale': o.scale}) if o.model == 'bicubic' else load_model(o.model, restore)
        for folder in o.data:
            paths = images.list_images([folder])
            if o.kept_back:
                paths = paths[images.KEEP_BACK - 1::images.KEEP_BACK]
            scores = [measure(model, config, path, o.jpeg, o.noise) for path in paths]
            if o.each:
                for path, (p, s) in zip(paths, scores):
                    print(f'  {os.path.basename(path):24} {p:.2f} {s:.4f}')
            how = (f' JPEG {o.jpeg}' if o.jpeg else '') + (f' noise {o.noise:g}' if o.noise else '') + (f' restore {restore:g}' if len(o.restore) > 1 or restore else '')
            print(f'{os.path.basename(os.path.normpath(folder))}{how} PSNR {np.mean([p for p, _ in scores]):.3f} SSIM {np.mean([s for _, s in scores]):.4f} ({len(paths)} images)')
