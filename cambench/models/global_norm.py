"""Batch norm over the images of all processes.

torch's own `SyncBatchNorm` refuses the CPU and can be differentiated once only; CGC's step differentiates twice.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cambench import processes
from cambench.maps import widened


class Sum(torch.autograd.Function):
    """The sum of a tensor over the processes; its gradient is the sum of theirs, of any order."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        """x of this process -> Σ x, the same in all."""
        total = x.clone()
        processes.add_up([total])
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        """∂ΣL/∂x, L the loss of each process."""
        (gradient,) = gradients
        return Sum.apply(gradient.contiguous())  # type: ignore[no-any-return,no-untyped-call]


class GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    """y = γ·(x − μ)/√(σ² + ε) + β, in training μ and σ² of all processes' images, each counted once; else as ever.

    The same parameters and buffers as torch's batch norm, so the same checkpoints. (N,C,…) -> (N,C,…).
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any (N,C,…) will do."""

    def forward(self, input: Tensor) -> Tensor:
        """As torch's; its arithmetic in at least float32."""
        if not self.training or processes.count() == 1:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            x = widened(input)
            axes, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
            number = x.new_tensor([x.numel() / x.shape[1]])
            sums: Tensor = Sum.apply(torch.cat([x.sum(axes), number]))  # type: ignore[no-untyped-call]
            n = sums[-1].detach()
            mean = sums[:-1] / n
            centred = x - mean.view(shape)
            variance: Tensor = Sum.apply(centred.square().sum(axes)) / n  # type: ignore[no-untyped-call]
            self.remember(mean.detach(), variance.detach() * n / (n - 1))
            y = centred * (variance + self.eps).rsqrt().view(shape)
            if self.affine:
                y = y * widened(self.weight).view(shape) + widened(self.bias).view(shape)
            return y.to(input.dtype)

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, the variance being the unbiased one."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


def globalised(model: nn.Module) -> nn.Module:
    """The model with every batch norm over all processes' images, in place: parameters, buffers and hooks are the same."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = GlobalBatchNorm
    return model
