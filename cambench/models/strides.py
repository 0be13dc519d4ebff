"""Where a network makes its maps smaller, as one forward pass shows, and surgery that keeps them large.

A reduction is a convolution or a pooling with a stride; all that read maps of one size (a branch and its shortcut) are one
group. A reduction that reads the image is part of the stem and of no stage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from cambench.explainers.probing.calls import SIZES, Call, calls, once, side
from cambench.explainers.probing.layers import inside
from cambench.models.heads import head_module

CUT = "cut_reduction"
"""The attribute of a module that was a reduction: its group's number from the end. It is in no state dict."""
POOLS = (nn.MaxPool2d, nn.AvgPool2d)
RGB = 3


class Unpooled(nn.Identity):
    """Stands where a pooling was taken out."""


@dataclass(frozen=True)
class Group:
    """The reductions of one size of map, in the order in which they run. stem: they read the image."""

    members: list[Call]
    stem: bool


def largest(value: int | Iterable[int]) -> int:
    """The larger of a stride's or kernel's two numbers."""
    return value if isinstance(value, int) else max(value)


def reduces(call: Call) -> bool:
    """Whether a call is a convolution or pooling that makes its map smaller."""
    if not isinstance(call.module, (nn.Conv2d, *POOLS)) or largest(call.module.stride) == 1:
        return False
    return side(call.made) < side(call.given)


def run_of(network: nn.Module) -> tuple[int, list[Call]]:
    """The side of the images, the smallest at which no reduction leaves a single cell, and the calls of a forward pass."""
    for size in SIZES:
        run = calls(network, size)
        if run and not any(reduces(call) and side(call.made) == 1 for call in run):
            break
    return size, run


def groups(run: list[Call]) -> list[Group]:
    """The reductions of a forward pass, also those that were cut, from the first to the last."""
    members: dict[object, list[Call]] = {}
    for call in run:
        cut = getattr(call.module, CUT, None)
        if cut is not None or (reduces(call) and side(call.made) > 1):  # one to a single cell is the average
            members.setdefault(("cut", cut) if cut is not None else tuple(call.given.shape[2:]), []).append(call)
    return [Group(group, group[0].given.shape[1] == RGB) for group in members.values()]


def last_strides(network: nn.Module, count: int) -> bool:
    """Stride 1 in the last `count` groups, in place; poolings whose windows do not overlap are taken out.

    A convolution whose padding would not keep the size of the map gets the padding `same`; so does a padding module in it.
    """
    size, run = run_of(network)
    cut = [group for group in groups(run) if not group.stem][-count:]
    if len(cut) < count:
        return False
    members = [(call, count - 1 - i) for i, group in enumerate(cut) for call in group.members]
    if not all(once(run, call.module) for call, _ in members) or any(hasattr(call.module, CUT) for call, _ in members):
        return False
    names = [unstrided(network, call, number) for call, number in members]
    for call in shrinking(network, size, names):
        pad_as_same(call.module)
    after = calls(network, size)
    return bool(after) and not shrinking(network, size, names)


def unstrided(network: nn.Module, call: Call, number: int) -> str:
    """Give a reduction stride 1, in place; its name."""
    module = call.module
    if isinstance(module, POOLS) and largest(module.kernel_size) <= largest(module.stride):
        module = Unpooled()
        network.set_submodule(call.name, module)
    elif isinstance(module, POOLS):
        kernel = largest(module.kernel_size)
        module.stride, module.padding, module.ceil_mode = 1, kernel // 2, False
    else:
        assert isinstance(module, nn.Conv2d)
        module.stride = (1, 1)
    object.__setattr__(module, CUT, number)
    return call.name


def shrinking(network: nn.Module, size: int, names: list[str]) -> list[Call]:
    """The calls of the named modules that change the size of their map."""
    return [c for c in calls(network, size) if c.name in names and c.given.shape[2:] != c.made.shape[2:]]


def pad_as_same(module: nn.Module) -> None:
    """Let a convolution with stride 1 keep the size of its map: its padding module's numbers, else its own padding.

    d·(k − 1) pixels of zeros, the smaller half of them at the top and left, as TensorFlow's and torch's `same`.
    """
    if not isinstance(module, nn.Conv2d):
        return
    total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    padding = next((child for child in module.children() if isinstance(child, nn.ZeroPad2d)), None)
    if padding is None:
        module.padding = "same"
    else:
        (down, across) = total
        padding.padding = (across // 2, across - across // 2, down // 2, down - down // 2)


def stride_1_stem(network: nn.Module) -> bool:
    """The first convolution keeps its weights and gets stride 1; not a patch embedding, whose patches do not overlap."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != RGB or not 1 < largest(first.stride) < largest(first.kernel_size):
        return False
    first.stride = (1, 1)
    if any(isinstance(child, nn.ZeroPad2d) for child in first.children()):
        pad_as_same(first)
    return True


def last_stage(network: nn.Module) -> set[str]:
    """The names of the parameters of a network's last stage, head excluded; empty where it never makes its map smaller.

    It begins with the outermost module that holds the last group of reductions and none of an earlier one (`layer4` of a
    ResNet, a transition of a DenseNet, an inverted block).
    """
    _, run = run_of(network)
    *earlier, last = groups(run) or [Group([], True)]
    if not last.members:
        return set()
    before = [call.name for group in earlier for call in group.members]
    parts = last.members[-1].name.split(".")
    outer = (".".join(parts[: i + 1]) for i in range(len(parts)))
    anchor = next(name for name in outer if not any(inside(other, name) for other in before))
    start = next(i for i, call in enumerate(run) if inside(call.name, anchor))
    sooner = {call.name for call in run[:start] if call.is_leaf}
    later = {call.name for call in run[start:] if not any(inside(name, call.name) for name in sooner)}
    head = head_module(network)
    keys = [f"{name}.{key}" for name in later for key, _ in network.get_submodule(name).named_parameters(recurse=False)]
    return {key for key in keys if head is None or not inside(key, head)}
