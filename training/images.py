"""Images for training and measuring: loading, luma, MATLAB-like bicubic, PSNR and SSIM.

Luma is full-range BT.601 on 0..1 RGB (what the network sees); the metrics use BT.601 16..235 rounded, as
the super-resolution literature does. Everything is numpy float64 unless said otherwise.
"""
import os

import numpy as np
from PIL import Image

LUMA = np.array([0.299, 0.587, 0.114])
KEEP_BACK = 20  # every 20th image of a folder chooses between runs and is never trained on
EXTENSIONS = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')


def list_images(folders):
    """Every image below the folders, sorted by path inside each folder, so that splits are reproducible."""
    found = []
    for folder in folders:
        here = []
        for root, _, names in os.walk(folder):
            here += [os.path.join(root, name) for name in names if name.lower().endswith(EXTENSIONS)]
        if not here:
            raise SystemExit(f'Expected images below "{folder}", found none')
        found += sorted(here, key=lambda path: os.path.relpath(path, folder))
    return found


def load_rgb(path):
    """uint8 [h, w, 3]; transparent images are put on white."""
    image = Image.open(path)
    if image.mode in ('RGBA', 'LA', 'P') and (image.mode != 'P' or 'transparency' in image.info):
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert('RGB'))


def luma(rgb8):
    """uint8 RGB -> full-range luma in 0..1."""
    return rgb8.astype(np.float64) @ LUMA / 255


def cubic(x, a=-0.5):
    x = np.abs(x)
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def resize_matrix(size, new_size, edge='mirror', antialias=True):
    """[new_size, size] bicubic (a = -0.5) with half-pixel centres.

    edge 'mirror' is MATLAB's imresize; 'replicate' is what the package's own bicubic does.
    """
    scale = new_size / size
    stretch = min(scale, 1) if antialias else 1
    support = 4 / stretch
    centre = (np.arange(new_size) + 0.5) / scale - 0.5
    first = np.floor(centre - support / 2).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(support)) + 2)[None]
    weights = cubic((centre[:, None] - taps) * stretch)
    weights /= weights.sum(1, keepdims=True)
    if edge == 'mirror':
        taps = np.mod(taps, 2 * size)
        taps = np.where(taps < size, taps, 2 * size - 1 - taps)
    else:
        taps = np.clip(taps, 0, size - 1)
    matrix = np.zeros((new_size, size))
    np.add.at(matrix, (np.arange(new_size)[:, None].repeat(taps.shape[1], 1), taps), weights)
    return matrix


def resize(image, height, width, **how):
    """Bicubic of [h, w] or [h, w, c] float; no rounding, no clipping."""
    out = np.tensordot(resize_matrix(image.shape[0], height, **how), image, (1, 0))
    out = np.tensordot(resize_matrix(image.shape[1], width, **how), out, (1, 1))
    return np.moveaxis(out, 0, 1)


def to8(x):
    return np.clip(np.floor(x + 0.5), 0, 255).astype(np.uint8)


def crop_to_multiple(rgb8, scale):
    h, w = rgb8.shape[:2]
    return rgb8[:h - h % scale, :w - w % scale]


def downscale(rgb8, scale):
    """MATLAB-like antialiased bicubic, rounded to 8 bit: how every LR image here is made."""
    h, w = rgb8.shape[:2]
    return to8(resize(rgb8.astype(np.float64), h // scale, w // scale))


def upscale_bicubic(x, scale):
    """The package's bicubic: a = -0.5, half-pixel centres, edge-replicated."""
    return resize(x, x.shape[0] * scale, x.shape[1] * scale, edge='replicate', antialias=False)


def y16(rgb8):
    """BT.601 luma 16..235 of 8-bit RGB, rounded: what PSNR and SSIM are measured on."""
    return np.round(16 + rgb8.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255)


def psnr(a, b, border):
    difference = (a - b)[border:-border, border:-border]
    return 10 * np.log10(255**2 / np.mean(difference**2))


def ssim(a, b, border):
    """Wang's SSIM, 11x11 Gaussian of sigma 1.5, valid region."""
    a, b = a[border:-border, border:-border], b[border:-border, border:-border]
    window = np.exp(-(np.arange(11) - 5.0)**2 / (2 * 1.5**2))
    window /= window.sum()

    def blur(x):
        rows = sum(window[i] * x[i:x.shape[0] - 10 + i] for i in range(11))
        return sum(window[i] * rows[:, i:x.shape[1] - 10 + i] for i in range(11))

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 255)**2, (0.03 * 255)**2
    return np.mean((2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2)))
