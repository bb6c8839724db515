"""Muon: momentum, and each convolution's step made an orthogonal matrix; biases by Adam.

Jordan et al. 2024, with the step scaled by 0.2 sqrt(longest side) (Liu et al. 2025), so that one learning rate serves every
layer. On these networks 2,000 steps of it equal some 10,000 of Adam on over-parameterised weights: README.md.
"""
import torch


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr):
        super().__init__(parameters, {'lr': lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = {}  # convolutions of one shape go together, and so do all biases: many small ops take longer than their sums
            for p in group['params']:
                alike.setdefault(p[0].shape and p.shape, []).append(p)
            for shape, parameters in alike.items():
                (self.orthogonal if shape else self.adam)(parameters, self.state[parameters[0]], group['lr'])

    def orthogonal(self, parameters, state, lr):
        gradient = torch.stack([p.grad.flatten(1) for p in parameters])
        state['mean'] = gradient + 0.95 * state['mean'] if state else gradient
        u = gradient + 0.95 * state['mean']
        u /= u.norm(dim=(1, 2), keepdim=True) + 1e-12
        tall = u.shape[1] > u.shape[2]
        u = u.mT if tall else u
        for _ in range(5):  # Newton-Schulz: every singular value goes to about 1
            a = u @ u.mT
            u = 3.4445 * u + (-4.7750 * a + 2.0315 * a @ a) @ u
        for p, step in zip(parameters, u.mT if tall else u):
            p.sub_(step.reshape(p.shape), alpha=lr * 0.2 * max(step.shape)**0.5)

    def adam(self, parameters, state, lr):
        gradient = torch.cat([p.grad for p in parameters])
        if not state:
            state.update(step=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
        state['step'] += 1
        state['mean'].mul_(0.9).add_(gradient, alpha=0.1)
        state['square'].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        mean, square = state['mean'] / (1 - 0.9**state['step']), state['square'] / (1 - 0.999**state['step'])
        for p, step in zip(parameters, (mean / (square.sqrt() + 1e-12)).split([len(p) for p in parameters])):
            p.sub_(step, alpha=lr)
