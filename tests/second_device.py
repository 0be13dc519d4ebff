"""A second device where there is none: tensors that say `cpu:1`, whose values lie on the CPU, and that mix with no others.

What CUDA refuses is refused: operands on two devices, a CPU generator for a draw on the device, `.numpy()`. So what runs
here, with `Place(…, device=DEVICE)` inside `second_device()`, runs on a GPU, as far as devices go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = "cpu:1"
ACROSS = {"aten::to", "aten::_to_copy", "aten::copy_", "aten::_local_scalar_dense"}
"""Operations that move values between devices."""
INDEXED = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
"""Operations that take indices from the CPU on CUDA too."""
INDICES = {torch.int64, torch.int32, torch.bool, torch.uint8}


class MixedDevicesError(RuntimeError):
    """What CUDA says: expected all tensors to be on the same device."""


class There(Tensor):
    """A tensor on the second device."""

    values: Tensor
    operations = 0
    """How many there were on such tensors."""
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, values: Tensor) -> There:
        made: There = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=torch.device(DEVICE),
        )
        made.values = values
        return made

    def __init__(self, values: Tensor) -> None:
        """Everything is done in `__new__`."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})

    def tolist(self) -> Any:
        return self.values.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:  # as torch.save and torch.load(…, map_location="cpu")
        return self.values.__reduce_ex__(protocol)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"There({self.values!r})"


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation, computed on the CPU, refused where CUDA would refuse it."""
    name, wanted = func._schema.name, device_of(func, args, kwargs)
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    there = any(isinstance(x, There) for x in tensors)
    to_there = wanted is not None and str(torch.device(wanted)) == DEVICE
    There.operations += there
    if there and name not in ACROSS:
        check(name, args, tensors)
    generator = kwargs.get("generator") or next((x for x in args if isinstance(x, torch.Generator)), None)
    if generator is not None and (there or to_there):
        raise MixedDevicesError(f"{name}: expected a generator of {DEVICE}, got one of the cpu.")
    own_args, own_kwargs = tree_map(on_cpu, (args, kwargs))
    out = func(*own_args, **own_kwargs)
    into = isinstance(args[0], There) if name == "aten::copy_" else there
    if not (to_there if wanted is not None else into):
        return out
    out = tree_map(lambda x: There(x) if isinstance(x, Tensor) else x, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if there and wanted is None else out


def device_of(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The device that an operation names, if it names one; that of `.to(other)` is the other's."""
    if func._schema.name == "aten::to" and len(args) > 1 and isinstance(args[1], Tensor):
        return args[1].device
    return kwargs.get("device") or next((x for x in args if isinstance(x, torch.device)), None)


def on_cpu(x: Any) -> Any:
    """An argument as the CPU takes it."""
    if isinstance(x, There):
        return x.values
    return torch.device("cpu") if isinstance(x, torch.device) and str(x) == DEVICE else x


def check(name: str, args: Any, tensors: list[Tensor]) -> None:
    """Raises: MixedDevicesError for a tensor of the CPU beside one that is not; a single number may lie anywhere."""
    strangers = [x for x in tensors if not isinstance(x, There) and x.dim() > 0]
    if name in INDEXED and isinstance(args[0], There):
        strangers = [x for x in strangers if x.dtype not in INDICES]
    if strangers:
        raise MixedDevicesError(
            f"{name}: expected all tensors on one device, got {DEVICE} and cpu {tuple(strangers[0].shape)}."
        )


class Made(TorchDispatchMode):
    """Tensors made on the second device, and moved to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


class Above(TorchFunctionMode):
    """Tensors of Python numbers, which torch makes above its dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        wanted = kwargs.get("device")
        if func in (torch.tensor, torch.as_tensor) and wanted is not None and str(torch.device(wanted)) == DEVICE:
            return func(*args, **{**kwargs, "device": "cpu"}).to(DEVICE)
        if func is Tensor.new_tensor and isinstance(args[0], There):
            return args[0].values.new_tensor(*args[1:], **kwargs).to(DEVICE)
        return func(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[None]:
    """Inside, `cpu:1` is a device of its own."""
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with Made(), Above():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
