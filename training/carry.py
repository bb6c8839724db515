"""Pack the training images for a machine with a GPU: luma only, within some 60 MB, in one folder.

  python3 carry.py --photographs BSDS400 --wallpapers WALLPAPERS --extra DIR --out DIR

BSDS's JPEGs keep their luma as it is (jpegtran); the others become WebP, drawn ones without loss. Names and order stay, so that the same
images are kept back. Needs jpegtran (Debian's libjpeg-turbo-progs).
"""
import argparse
import os
import subprocess

from PIL import Image

import images

arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arg.add_argument('--photographs', required=True)
arg.add_argument('--wallpapers', required=True)
arg.add_argument('--extra', required=True, help="collect.py's")
arg.add_argument('--out', required=True)
o = arg.parse_args()

for source, folder, quality, limit in (
        ('bsds400', o.photographs, None, None), ('wallpapers', o.wallpapers, 86, None), ('cid22', os.path.join(o.extra, 'cid22'), 90, None),
        ('clic', os.path.join(o.extra, 'clic'), 90, None), ('clipart', os.path.join(o.extra, 'clipart'), 92, 300),
        ('ink', os.path.join(o.extra, 'ink'), 100, 100), ('text', os.path.join(o.extra, 'text'), 100, 120)):
    out = os.path.join(o.out, source)
    os.makedirs(out, exist_ok=True)
    size, paths = 0, images.list_images([folder])[:limit]
    for path in paths:
        name = os.path.join(out, os.path.splitext(os.path.relpath(path, folder).replace(os.sep, '_'))[0])
        if quality is None:
            name += '.jpg'
            with open(name, 'wb') as file:
                subprocess.run(['jpegtran', '-grayscale', '-optimize', '-progressive', path], check=True, stdout=file)
        else:
            name += '.webp'
            grey = Image.fromarray(images.to8(images.luma(images.load_rgb(path)) * 255))
            grey.save(name, lossless=quality == 100, quality=quality, method=4)
        size += os.path.getsize(name)
    print(f'{source} {len(paths)} images {size / 1e6:.1f} MB')
