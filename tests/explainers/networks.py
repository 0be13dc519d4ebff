"""Tiny networks with every kind of head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Net(nn.Module):
    """A trunk of two convolutions, then one of several heads over 5 classes."""

    def __init__(self, head: str = "gap-linear", channels: int = 6) -> None:
        super().__init__()
        self.head = head
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.stage = nn.Conv2d(4, channels, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveMaxPool2d(1) if head == "max" else nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(channels)
        self.hidden = nn.Linear(channels, channels)
        self.fc = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        a = self.stage(self.stem(x))
        if self.head == "inplace-relu":
            a = self.act(a)
        if self.head == "residual":
            a += 1.0
        z = self.pool(a).flatten(1)
        if self.head == "two-layers":
            z = torch.tanh(self.hidden(z))
        if self.head == "norm":
            z = self.norm(z)
        if self.head == "dropout":
            z = self.drop(z)
        if self.head == "functional-dropout":
            z = functional.dropout(z, 0.5, self.training)
        return self.fc(z)


def build(head: str = "gap-linear", dtype: torch.dtype = torch.float64) -> Net:
    """The network with fixed random weights and running statistics, in train mode."""
    torch.manual_seed(0)
    net = Net(head)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net.to(dtype)


def images(n: int = 3, size: int = 12, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random images."""
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def state(model: nn.Module) -> tuple[object, ...]:
    """All that a probe might disturb: modes, requires_grad, hooks, weights, running statistics, gradients."""
    return (
        [m.training for m in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        [t.double().sum().item() for t in model.state_dict().values()],
        [p.grad is None for p in model.parameters()],
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
    )
