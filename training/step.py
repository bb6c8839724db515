"""step.cpp behind one call: build it for a configuration, order the weights for it, give torch its gradients."""
import ctypes
import hashlib
import os
import subprocess

import numpy as np
import torch
import torch.nn.functional as F

import upsamplers
from carafe_luma import encoder, halo

LOSSES = ('l1', 'l2', 'psnr')  # as step.cpp numbers them; psnr: the mean over the patches of log(mean squared error + LOG_OFFSET)
LOG_OFFSET = 3e-4  # 35 dB: patches with less error lose weight

HERE = os.path.dirname(os.path.abspath(__file__))


def build(config, cache):
    """Compiles step.cpp for these sizes into `cache` (once per source and flags)."""
    source = os.path.join(HERE, 'step.cpp')
    defines = [f'-D{name}={config[key]}' for name, key in
               (('CHANNELS', 'channels'), ('BODY', 'body'), ('GROUPS', 'groups'), ('KUP', 'kUp'), ('SCALE', 'scale'))] + [f'-DLOG_OFFSET={LOG_OFFSET}f']
    if 'upsampler' in config:
        defines.append('-DOWN_MAPS')
    command = ['g++', '-O3', '-march=native', '-fno-math-errno', '-fno-trapping-math', '-shared', '-fPIC', '-pthread', *defines]
    with open(source, 'rb') as file:
        key = hashlib.sha256(file.read() + ' '.join(command).encode()).hexdigest()[:16]
    library = os.path.join(cache, f'step-{key}.so')
    if not os.path.exists(library):
        os.makedirs(cache, exist_ok=True)
        subprocess.run([*command, source, '-o', library + '.part'], check=True)
        os.replace(library + '.part', library)
    return library


class Step:
    def __init__(self, config, cache, threads=1):
        self.config, self.threads = config, threads
        self.library = ctypes.CDLL(build(config, cache))
        self.library.step_run.restype = ctypes.c_double
        self.total, self.halo = self.library.step_total(), self.library.step_halo()
        assert self.halo == halo(config)
        self.grad = np.zeros(self.total, np.float32)

    def flat(self, weights):
        """The weights as step.cpp wants them: [ky][kx][ci][co], encoder as [tap][group][sub-pixel]; outputs of maps and encoder padded to whole vectors."""
        c, g, k, s = (self.config[name] for name in ('channels', 'groups', 'kUp', 'scale'))
        whole = lambda n: -n % self.library.step_width()
        parts = []
        for name in ['head'] + [f'body.{i}' for i in range(self.config['body'])]:
            parts += [weights[name + '.weights'].permute(2, 3, 1, 0).reshape(-1), weights[name + '.bias']]
        if 'upsampler' in self.config:  # no kernels: softmax over one tap is 1
            maps, bias, g = upsamplers.per_sub_pixel(weights['maps.weights'], self.config['upsampler'], s), weights['maps.bias'].expand(s * s), s * s
            parts += [F.pad(maps.permute(2, 3, 1, 0), (0, whole(g))).reshape(-1), F.pad(bias, (0, whole(g))), torch.zeros((c + 1) * (g + whole(g)))]
            return torch.cat(parts)
        parts += [F.pad(weights['maps.weights'].permute(2, 3, 1, 0), (0, whole(g))).reshape(-1), F.pad(weights['maps.bias'], (0, whole(g)))]
        lanes = lambda encode: F.pad(encode.reshape(-1, g, k * k, s * s).transpose(1, 2).reshape(-1, k * k, g * s * s), (0, whole(g * s * s))).reshape(-1)
        parts += [lanes(encoder(weights).t()), lanes(weights['encode.bias'])]
        return torch.cat(parts)

    def backward(self, weights, y, target, loss='l1'):
        """y [b, p, p], target [b, .., ..] float32 -> loss; adds the gradients behind `weights`, as loss.backward() does."""
        flat = self.flat(weights)
        values = np.ascontiguousarray(flat.detach().numpy())
        y, target = np.ascontiguousarray(y, np.float32), np.ascontiguousarray(target, np.float32)
        pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)
        value = self.library.step_run(pointer(y), pointer(target), len(y), y.shape[1], pointer(values),
                                     ctypes.c_float(self.config['slope']), LOSSES.index(loss), self.threads, pointer(self.grad))
        flat.backward(torch.from_numpy(self.grad))
        return value
