"""PSNR and SSIM of a .safetensors or checkpoint over folders of HR images, as the package computes an image.

LR = MATLAB-like antialiased bicubic in 8 bit RGB; out = bicubic RGB plus the network's luma residual, rounded to 8-bit
RGB; measured on BT.601 luma 16..235 rounded, border of `scale` shaved.

  python3 evaluate.py MODEL --data DIR [--data DIR] [--each]
"""
import argparse
import os

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
import torch

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


def measure(model, config, path):
    scale = config['scale']
    hr8 = images.crop_to_multiple(images.load_rgb(path), scale)
    got, want = images.y16(upscale(model, config, images.downscale(hr8, scale))), images.y16(hr8)
    return images.psnr(got, want, scale), images.ssim(got, want, scale)


if __name__ == '__main__':
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('model', help='.safetensors, checkpoint.pt or "bicubic"')
    arg.add_argument('--data', action='append', required=True)
    arg.add_argument('--scale', type=int, default=2, help='for "bicubic" only')
    arg.add_argument('--each', action='store_true', help='also a line per image')
    arg.add_argument('--kept-back', action='store_true', help='only the images that train.py keeps back')
    o = arg.parse_args()
    torch.set_num_threads(1)
    model, config = (None, {**CONFIG, 'scale': o.scale}) if o.model == 'bicubic' else load_model(o.model)
    for folder in o.data:
        paths = images.list_images([folder])
        if o.kept_back:
            paths = paths[images.KEEP_BACK - 1::images.KEEP_BACK]
        scores = [measure(model, config, path) for path in paths]
        if o.each:
            for path, (p, s) in zip(paths, scores):
                print(f'  {os.path.basename(path):24} {p:.2f} {s:.4f}')
        print(f'{os.path.basename(os.path.normpath(folder))} PSNR {np.mean([p for p, _ in scores]):.3f} SSIM {np.mean([s for _, s in scores]):.4f} ({len(paths)} images)')
