"""Pack what trial.py needs besides carry.py's luma: the photographs' chroma at half their size, and clip art with its alpha.

  python3 carry_trial.py --photographs BSDS400 --wallpapers WALLPAPERS --extra DIR --debs DEBS --out DIR

Some 6 MB. Names are carry.py's. chroma/SOURCE/NAME.webp is Cb above Cr; cutouts/*.webp are RGBA.
"""
import argparse
import os
import random

import numpy as np
from PIL import Image

import images

ART = 96  # pixels on the longest side
Image.MAX_IMAGE_PIXELS = None

arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arg.add_argument('--photographs', required=True)
arg.add_argument('--wallpapers', required=True)
arg.add_argument('--extra', required=True, help="collect.py's")
arg.add_argument('--debs', required=True, help='unpacked, as for collect.py')
arg.add_argument('--out', required=True)
o = arg.parse_args()


def chroma(path):
    _, cb, cr = Image.open(path).convert('RGB').convert('YCbCr').split()
    halves = [np.asarray(plane.resize(((plane.width + 1) // 2, (plane.height + 1) // 2), Image.BOX)) for plane in (cb, cr)]
    return Image.fromarray(np.concatenate(halves))


def save(image, out, name, **how):
    os.makedirs(out, exist_ok=True)
    image.save(os.path.join(out, name + '.webp'), method=4, **how)


for source, folder in (('bsds400', o.photographs), ('cid22', os.path.join(o.extra, 'cid22')), ('wallpapers', o.wallpapers)):
    for path in images.list_images([folder]):
        name = os.path.splitext(os.path.relpath(path, folder).replace(os.sep, '_'))[0]
        save(chroma(path), os.path.join(o.out, 'chroma', source), name, quality=75)

paths = images.list_images([os.path.join(o.debs, 'openclipart-png')])
random.Random(7).shuffle(paths)
count = 0
for path in paths:
    if count == 500:
        break
    if os.path.islink(path):
        continue
    art = Image.open(path)
    if not 200 <= max(art.size) <= 2000:
        continue
    art = art.convert('RGBA')
    art.thumbnail((ART, ART), Image.BOX)
    alpha = np.asarray(art)[..., 3] / 255
    if min(art.size) >= 32 and 0.15 < alpha.mean() < 0.85:  # neither a line drawing nor a rectangle
        save(art, os.path.join(o.out, 'cutouts'), f'{count:03}', quality=80, alpha_quality=100)
        count += 1
