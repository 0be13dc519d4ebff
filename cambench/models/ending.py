"""How a network ends, as one forward pass shows: the last map, its global average, one linear layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from cambench.explainers.probing.calls import SIZES, Call, calls, once, side
from cambench.models.heads import find_head

NEEDS = "a network that ends in the global average of its last map and one linear layer (with dropout between at most)"


@dataclass(frozen=True)
class Ending:
    """y = W·mean_hw(A) + b, A (N,K,h,w) what `layer` makes, or its ReLU where a function rectifies it (`rectified`).

    pool: the module that averages, None where a function does. between: the dropouts after it. head: the name of `linear`,
    the last layer. size: the side of the images that were run.
    """

    layer: str
    rectified: bool
    pool: str | None
    between: tuple[str, ...]
    head: str
    linear: nn.Linear
    size: int


def find_ending(network: nn.Module) -> Ending | None:
    """The network's average and its linear layer; None where it ends in anything else."""
    name = find_head(network)
    head = None if name is None else network.get_submodule(name)
    if name is None or not isinstance(head, nn.Linear):
        return None
    endings = (read(calls(network, size, head.in_features), name, head, size) for size in SIZES)
    return next((ending for ending in endings if ending is not None), None)


def read(run: list[Call], name: str, head: nn.Linear, size: int) -> Ending | None:
    """The ending in the calls of one forward pass."""
    if not run or not once(run, head):
        return None
    place = next(i for i, call in enumerate(run) if call.module is head)
    maps = [i for i in range(place) if run[i].is_map and run[i].value is not None]
    if not maps or not same(run[-1].made, run[place].made):
        return None
    last, after = run[maps[-1]], [call for call in run[maps[-1] + 1 : place] if call.is_leaf]
    if any(True for call in after for _ in call.module.parameters()):
        return None
    pool = next((c.name for c in after if side(c.given) > 1 and side(c.made) == 1 and once(run, c.module)), None)
    rectified = averaged(last, run[place].given, pool is not None)
    if rectified is None:
        return None
    between = tuple(c.name for c in after if isinstance(c.module, nn.Dropout | nn.Dropout2d | nn.AlphaDropout))
    return Ending(last.name, rectified, pool, between, name, head, size)


def averaged(last: Call, features: Tensor, pooled: bool) -> bool | None:
    """Whether the features (N,K) are the average of the map's ReLU rather than of the map; None if of neither.

    On the meta device, where nothing has a value, a pooling module is enough.
    """
    assert last.value is not None
    if last.value.is_meta:
        return False if pooled else None
    if same(last.value.mean((2, 3)), features):
        return False
    return True if same(last.value.relu().mean((2, 3)), features) else None


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors agree to rounding, or, without values, in shape."""
    if a.shape != b.shape or a.is_meta:
        return a.shape == b.shape
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max() + 1e-6)


def append(network: nn.Module, layer: str, name: str, module: nn.Module) -> None:
    """Let a module follow a layer, in place: as the last of a Sequential, else in a new one in the layer's place."""
    old = network.get_submodule(layer)
    if type(old).forward is nn.Sequential.forward:
        old.add_module(name, module)
    else:
        network.set_submodule(layer, nn.Sequential(OrderedDict([("stage", old), (name, module)])))


def remove(network: nn.Module, names: Iterable[str]) -> None:
    """Identities take the modules' places."""
    for name in names:
        network.set_submodule(name, nn.Identity())
