"""The usual upsamplers on the body of carafe-luma, to compare CARAFE with: features to luma at the higher resolution.

Each is linear, so each is one 3x3 convolution to scale^2 sub-pixels, whose weights are tied: step.cpp computes them all.
"""
import torch

KINDS = ('pixel-shuffle', 'nearest', 'bilinear', 'deconv')  # nearest and bilinear: enlarge the features, then a 3x3 convolution


def shape(kind, channels, scale):
    """Of the learned weights."""
    side = 2 * scale if kind == 'deconv' else 3
    return scale * scale if kind == 'pixel-shuffle' else 1, channels, side, side


def per_sub_pixel(weights, kind, scale):
    """-> [scale^2, channels, 3, 3], what a sub-pixel takes from the features around its input pixel."""
    if kind == 'pixel-shuffle':
        return weights
    ties = torch.zeros(scale, weights.shape[2], 3)  # [sub-pixel][tap][input pixel -1..1], along one axis
    for sub in range(scale):
        for tap in range(weights.shape[2]):
            at = sub + tap - 1  # the enlarged pixel under this tap
            if kind == 'nearest':
                ties[sub, tap, at // scale + 1] = 1
            elif kind == 'bilinear':
                left, right = divmod((at + 0.5) / scale - 0.5, 1)
                ties[sub, tap, int(left) + 1] += 1 - right
                if right:
                    ties[sub, tap, int(left) + 2] += right
            elif (sub + scale // 2 - tap) % scale == 0:
                ties[sub, tap, (sub + scale // 2 - tap) // scale + 1] = 1
    return torch.einsum('ptl,qum,ctu->pqclm', ties, ties, weights[0]).reshape(scale * scale, -1, 3, 3)
