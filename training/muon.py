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
            for p in group['params']:
                state = self.state[p]
                if not state:
                    state.update(step=0, mean=torch.zeros_like(p), square=torch.zeros_like(p) if p.ndim == 1 else None)
                state['step'] += 1
                (self.orthogonal if p.ndim > 1 else self.adam)(p, state, group['lr'])

    def orthogonal(self, p, state, lr):
        state['mean'].mul_(0.95).add_(p.grad)
        u = (p.grad + 0.95 * state['mean']).reshape(len(p), -1)
        u = u / (u.norm() + 1e-12)
        for _ in range(5):  # Newton-Schulz: every singular value goes to about 1
            a = u @ u.T
            u = 3.4445 * u + (-4.7750 * a + 2.0315 * a @ a) @ u
        p.add_(u.view(p.shape), alpha=-lr * 0.2 * max(u.shape)**0.5)

    def adam(self, p, state, lr):
        state['mean'].mul_(0.9).add_(p.grad, alpha=0.1)
        state['square'].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
        mean, square = state['mean'] / (1 - 0.9**state['step']), state['square'] / (1 - 0.999**state['step'])
        p.add_(mean / (square.sqrt() + 1e-12), alpha=-lr)
