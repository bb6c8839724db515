"""How small images are made worse for the strong end of a network: out of focus, noise, JPEG.

The line between a network's two ends is a dial, so half of the images are bad, for its end, and half are mild, for its middle: batches
take turns, and a batch trains the weights at its place.
"""
import io

import numpy as np
from PIL import Image

PLACES = (1.0, 0.5)  # of bad and of mild images
BLURS = (0.0, 0.27, 0.39, 0.51)  # standard deviations in LR pixels


def draw(rng, bad):
    """-> (index of BLURS, standard deviation of luma's noise in 0..255, JPEG quality or 0). Noise in luma is two thirds of that in R, G and B."""
    blur = int(rng.integers(1, 4 if bad else 3)) if rng.random() < (0.12 if bad else 0.08) else 0
    noise = rng.uniform(3, 11) if bad else rng.uniform(0.7, 4)
    noisy = rng.random() < (0.4 if bad else 0.35)
    coded = rng.random() < (0.6 if noisy else 0.95 if bad else 0.9)
    quality = int(rng.integers(40, 81) if bad else rng.integers(72, 98))
    return blur, noise if noisy else 0.0, quality if coded else 0


def draw_web(rng):
    """What the first strong ends were trained on, the later -web models: three such images of each, all for the end."""
    blur = int(rng.integers(1, 4)) if rng.random() < 0.25 else 0
    noise = rng.uniform(1, 6) if rng.random() < 0.25 else 0.0
    return blur, noise, int(rng.integers(40, 96))


def jpeg(image8, quality, subsampling=2):
    """uint8 as it comes back from a JPEG of this quality, or unchanged with 0."""
    if not quality:
        return image8
    file = io.BytesIO()
    Image.fromarray(image8).save(file, 'jpeg', quality=int(quality), **({'subsampling': subsampling} if image8.ndim == 3 else {}))
    return np.asarray(Image.open(file))
