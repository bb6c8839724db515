"""Make the additional training images from free Debian packages and a corpus of free photographs (nothing here is committed).

  apt-get download PACKAGES; unpack each into DEBS/<package>/ (dpkg -x); git clone https://github.com/imazen/codec-corpus CORPUS; then
  python3 collect.py --debs DEBS --corpus CORPUS --photographs BSDS400 --out DIR

writes DIR/cid22 (250 photographs of 512x512), DIR/clic (photographs of 2048, halved), DIR/shrunk (the photographs at 0.5 to 0.8
of their size: sharper, without JPEG artefacts), DIR/wallpapers (photographs and renderings, downsampled at least 2x to clean
HR, cut into tiles, flat tiles left out), DIR/clipart (openclipart-png on white), DIR/text (text, UI boxes and charts drawn
with the packaged fonts) and DIR/ink (pages as comics have them: strokes, hatching, screentones, lettering). Deterministic. See README.md for the packages and their licences.
"""
import argparse
import os
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import images

Image.MAX_IMAGE_PIXELS = None
WALLPAPERS = ('gnome-backgrounds', 'mate-backgrounds', 'plasma-workspace-wallpapers', 'ukui-wallpapers', 'lomiri-wallpapers-16.04', 'lomiri-wallpapers-20.04')
TILE = 480


def detail(rgb):
    """Mean absolute luma gradient, 0..255."""
    y = images.luma(rgb) * 255
    return np.abs(np.diff(y, axis=0)).mean() + np.abs(np.diff(y, axis=1)).mean()


def name_of(path, corpus):
    """The order of the names decides what is kept back."""
    return os.path.relpath(path, corpus).replace(os.sep, '_').replace(' ', '_')


def cid22(corpus, out):
    paths = images.list_images([os.path.join(corpus, 'CID22')])
    for path in paths:
        Image.fromarray(images.load_rgb(path)).save(os.path.join(out, name_of(path, corpus)))
    print('cid22', len(paths))


def clic(corpus, out):
    paths = [path for path in images.list_images([os.path.join(corpus, 'clic2025')]) if os.path.getsize(path) < 4 << 20]  # what the runs had
    for path in paths:
        image = Image.fromarray(images.load_rgb(path))
        image.resize((image.width // 2, image.height // 2), Image.LANCZOS).save(os.path.join(out, name_of(path, corpus)))
    print('clic', len(paths))


def shrunk(photographs, out):
    rng, paths = random.Random(5), images.list_images([photographs])
    for path in paths:
        image, factor = Image.open(path).convert('RGB'), rng.uniform(0.5, 0.8)
        size = round(image.width * factor), round(image.height * factor)
        image.resize(size, Image.LANCZOS).save(os.path.join(out, os.path.splitext(os.path.basename(path))[0] + '.png'))
    print('shrunk', len(paths))


def wallpapers(debs, out):
    seen, count = [], 0
    for package in WALLPAPERS:
        for path in images.list_images([os.path.join(debs, package)]):
            if os.path.islink(path) or min(Image.open(path).size) < 1000:
                continue
            rgb = images.load_rgb(path)
            small = np.asarray(Image.fromarray(rgb).resize((16, 16), Image.BOX), float)
            if any(np.abs(small - other).mean() < 6 for other in seen):  # the same picture in another size
                continue
            seen.append(small)
            for longest in (1600, 960):  # two scales of each: at least 2x down, so JPEG and sensor noise are gone
                factor = max(2, max(rgb.shape) / longest)
                h, w = (int(side / factor) for side in rgb.shape[:2])
                hr = np.asarray(Image.fromarray(rgb).resize((w, h), Image.LANCZOS))
                for top in range(0, max(1, h - TILE // 2), TILE):
                    for left in range(0, max(1, w - TILE // 2), TILE):
                        tile = hr[top:top + TILE, left:left + TILE]
                        if min(tile.shape[:2]) >= 200 and detail(tile) > 5:
                            Image.fromarray(tile).save(os.path.join(out, f'{count:05}.png'))
                            count += 1
    print('wallpapers', len(seen), 'pictures', count, 'tiles')


def clipart(debs, out, limit=400):
    paths = images.list_images([os.path.join(debs, 'openclipart-png')])
    random.Random(3).shuffle(paths)
    count = 0
    for path in paths:
        if count == limit:
            break
        if os.path.islink(path) or min(Image.open(path).size) < 200:
            continue
        rgb = images.load_rgb(path)
        top, left = max(0, rgb.shape[0] - TILE) // 2, max(0, rgb.shape[1] - TILE) // 2
        rgb = rgb[top:top + TILE, left:left + TILE]
        if detail(rgb) > 5:
            Image.fromarray(rgb).save(os.path.join(out, f'{count:05}.png'))
            count += 1
    print('clipart', count)


def text(debs, out, count=300):
    rng = random.Random(4)
    fonts = []
    for root, _, names in os.walk(debs):
        for name in sorted(names):
            plain = 'noto' not in root or name.startswith(('NotoSans-', 'NotoSerif-', 'NotoSansDisplay-'))
            if name.endswith(('.ttf', '.otf')) and 'awesome' not in root and plain:
                fonts.append(os.path.join(root, name))
    fonts.sort()
    with open(os.path.join(debs, 'fonts-noto-core/usr/share/doc/fonts-noto-core/copyright'), encoding='utf8') as file:
        words = file.read().split()

    def colour(light):
        base = rng.randint(200, 255) if light else rng.randint(0, 90)
        return tuple(max(0, min(255, base + rng.randint(-40, 40))) for _ in range(3)) if rng.random() < 0.6 else (255,) * 3 if light else (0,) * 3

    for index in range(count):
        dark = rng.random() < 0.25
        image = Image.new('RGB', (TILE, TILE), colour(not dark))
        draw = ImageDraw.Draw(image)
        for _ in range(rng.randint(0, 8)):  # boxes, buttons, lines
            x, y, w, h = rng.randint(0, TILE), rng.randint(0, TILE), rng.randint(10, 250), rng.randint(10, 150)
            kind = rng.random()
            if kind < 0.4:
                draw.rounded_rectangle((x, y, x + w, y + h), rng.randint(0, 12), colour(rng.random() < 0.5), colour(dark), rng.randint(0, 3))
            elif kind < 0.6:
                draw.ellipse((x, y, x + w, y + h), colour(rng.random() < 0.5), colour(dark), rng.randint(0, 4))
            elif kind < 0.8:
                points = [(x + i * w / 12, y + rng.randint(0, h)) for i in range(13)]
                big = Image.new('L', (TILE * 4, TILE * 4))  # PIL's lines are not anti-aliased: draw large, shrink
                ImageDraw.Draw(big).line([(px * 4, py * 4) for px, py in points], 255, rng.randint(3, 14), 'curve')
                image.paste(colour(dark), (0, 0), big.resize((TILE, TILE), Image.BOX))
            else:
                for i in range(0, w, rng.randint(3, 12)):
                    draw.line((x + i, y, x + i, y + h), colour(dark), rng.randint(1, 2))
        y = rng.randint(-10, 10)
        while y < TILE:
            size = rng.choice((9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 24, 28, 36, 48, 72))
            font, ink, x0 = ImageFont.truetype(rng.choice(fonts), size), colour(dark), rng.randint(-20, 60)
            for _ in range(rng.randint(1, 6 if size < 20 else 2)):
                at, line = rng.randrange(len(words) - 60), ''
                while x0 + draw.textlength(line, font) < TILE and len(line) < 200:
                    line += words[at] + ' '
                    at += 1
                draw.text((x0, y), line, ink, font)
                y += round(size * rng.uniform(1.1, 1.5))
            y += rng.randint(0, 16)
        image.save(os.path.join(out, f'{index:05}.png'))
    print('text', count, 'pages from', len(fonts), 'fonts')


def ink(debs, out, count=200):
    """Black on white, drawn 4 times as large: curved strokes that swell and taper, hatching, screentones, black shapes, balloons with lettering."""
    rng, big = random.Random(6), TILE * 4
    fonts = [path for path in sorted(os.path.join(root, name) for root, _, names in os.walk(os.path.join(debs, 'fonts-comic-neue')) for name in names) if path.endswith(('.otf', '.ttf'))]
    words = 'WAIT NO WHAT IS THAT HE SAID IT WAS OVER LOOK OUT BEHIND YOU I KNOW BUT THEY WILL COME BACK ONE DAY OH AND THEN NOTHING'.split()

    def curve():
        ends = [(rng.uniform(-0.1, 1.1) * big, rng.uniform(-0.1, 1.1) * big)]
        angle, length = rng.uniform(0, 6.3), rng.uniform(0.05, 0.6) * big
        for _ in range(3):
            angle += rng.gauss(0, 0.8)
            ends.append((ends[-1][0] + np.cos(angle) * length / 3, ends[-1][1] + np.sin(angle) * length / 3))
        t = np.linspace(0, 1, 60)[:, None]
        a, b, c, d = (np.array(end) for end in ends)
        return (1 - t)**3 * a + 3 * t * (1 - t)**2 * b + 3 * t * t * (1 - t) * c + t**3 * d

    def stroke(draw, points, width, shade):
        for i, (x, y) in enumerate(points):  # a brush: thickest in the middle
            r = width * (0.25 + 0.75 * np.sin(np.pi * i / (len(points) - 1))) / 2
            draw.ellipse((x - r, y - r, x + r, y + r), shade)
            if i:
                draw.line((*points[i - 1], x, y), shade, max(1, round(2 * r)))

    def area():
        mask = Image.new('L', (big, big))
        centre, radius, start = np.array([rng.uniform(0, big), rng.uniform(0, big)]), rng.uniform(0.08, 0.35) * big, rng.uniform(0, 6)
        corners = [tuple(centre + radius * rng.uniform(0.5, 1.2) * np.array([np.cos(start + k * 0.7), np.sin(start + k * 0.7)])) for k in range(9)]
        ImageDraw.Draw(mask).polygon(corners, 255)
        return mask

    ys, xs = np.mgrid[:big, :big].astype(np.float32)
    for index in range(count):
        page = Image.new('L', (big, big), rng.choice((255, 255, 255, 245)))
        draw = ImageDraw.Draw(page)
        for _ in range(rng.randint(0, 3)):  # screentones: dots or lines on a turned grid, or a plain grey
            pitch, angle, cover = rng.uniform(12, 32), rng.choice((0.785, 0.785, 0.26, 0.0, 1.1)), rng.uniform(0.1, 0.7)
            u, v = xs * np.cos(angle) + ys * np.sin(angle), ys * np.cos(angle) - xs * np.sin(angle)
            wave = np.cos(2 * np.pi * u / pitch) + (np.cos(2 * np.pi * v / pitch) if rng.random() < 0.7 else 0)
            tone = np.where(wave > np.quantile(wave[::16, ::16], 1 - cover), 0, 255).astype(np.uint8) if rng.random() < 0.75 else np.full((big, big), rng.randint(90, 230), np.uint8)
            page.paste(Image.fromarray(tone), (0, 0), area())
        for _ in range(rng.randint(0, 2)):
            page.paste(0, (0, 0), area())
        for _ in range(rng.randint(15, 60)):
            stroke(draw, curve(), rng.choice((4, 6, 8, 10, 14, 20, 32)), 0 if rng.random() < 0.85 else 255)
        for _ in range(rng.randint(0, 4)):  # hatching
            points, step, width = curve(), rng.uniform(12, 36), rng.choice((4, 5, 7))
            turn = np.array([[0.3, -0.95], [0.95, 0.3]])
            for k in range(rng.randint(6, 30)):
                shifted = points[20:40] + turn @ (points[1] - points[0]) / (np.linalg.norm(points[1] - points[0]) + 1e-9) * step * k
                stroke(draw, shifted[::3], width, 0)
        for _ in range(rng.randint(0, 2)):  # balloons
            x, y, w, h = rng.uniform(0, 0.7) * big, rng.uniform(0, 0.7) * big, rng.uniform(0.2, 0.4) * big, rng.uniform(0.15, 0.3) * big
            draw.ellipse((x, y, x + w, y + h), 255, 0, rng.choice((6, 8, 12)))
            font, line = ImageFont.truetype(rng.choice(fonts), rng.randint(36, 72)), y + h * 0.22
            while line < y + h * 0.75:
                draw.text((x + w * 0.18, line), ' '.join(rng.choice(words) for _ in range(3)), 0, font)
                line += font.size * 1.15
        if rng.random() < 0.4:  # panels
            gap, at = rng.randint(24, 80), rng.uniform(0.3, 0.7) * big
            draw.rectangle((0, at, big, at + gap), 255) if rng.random() < 0.5 else draw.rectangle((at, 0, at + gap, big), 255)
            draw.rectangle((gap, gap, big - gap, at), outline=0, width=rng.choice((6, 10, 14)))
        page.resize((TILE, TILE), Image.LANCZOS).convert('RGB').save(os.path.join(out, f'{index:05}.png'))
    print('ink', count)


if __name__ == '__main__':
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument('--debs', required=True)
    arg.add_argument('--corpus', required=True)
    arg.add_argument('--photographs', required=True)
    arg.add_argument('--out', required=True)
    o = arg.parse_args()
    for name, make, source in (('cid22', cid22, o.corpus), ('clic', clic, o.corpus), ('shrunk', shrunk, o.photographs),
                               ('wallpapers', wallpapers, o.debs), ('clipart', clipart, o.debs), ('text', text, o.debs), ('ink', ink, o.debs)):
        folder = os.path.join(o.out, name)
        os.makedirs(folder, exist_ok=True)
        make(source, folder)
