"""The spellings of one network's weights: under which key a file holds them, and what stands before their names."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

log = logging.getLogger("cambench")

KEYS = ("model", "state_dict", "model_state_dict", "network", "net", "ema_state_dict", "state_dict_ema", "model_ema", "ema")
"""The keys under which files hold weights, the plain ones before their moving average."""
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "encoder_q.", "net.")
BESIDE = ("epoch", "optimizer", "scheduler", "lr_scheduler", "scaler", "args", "config", "hparams", "hyper_parameters")
"""What dictionaries of weights hold beside the weights."""
TWIN = re.compile(r"(module\.|_orig_mod\.)*(encoder_k\.|queue(_ptr)?$)")
"""MoCo's second encoder and its queue."""
DEPTH = 4


def state_in(held: Any) -> dict[str, Tensor] | None:
    """The state dict in what a file holds: itself, or under one of `KEYS`, also under two; None where there is none.

    Numbers and texts beside tensors are left out, and so is what `BESIDE` names; anything else makes it no state dict. Where
    the file holds other weights of the network too, under whatever key, the log says so.
    """
    if not isinstance(held, Mapping):
        return None
    states = {key: state for key in KEYS if (state := state_in(held.get(key)))}
    if states:
        first, state = next(iter(states.items()))
        keys = [*states, *(key for key, value in held.items() if key not in states and twins(value, state))]
        if len(keys) > 1:
            log.info("the file holds weights under %s; those under %s are taken", " and ".join(map(str, keys)), first)
        return state
    weights = {}
    for key, value in held.items():
        if isinstance(value, Tensor) and isinstance(key, str):
            weights[key] = value
        elif not (value is None or isinstance(value, str | int | float) or key in BESIDE):
            return None
    weights.pop("n_averaged", None)  # the count of torch's moving average
    return weights


def twins(value: Any, state: Mapping[str, Tensor]) -> bool:
    """Whether a value is another set of weights of the same network: a mapping of tensors with every shape that it has."""
    other = state_in(value)
    return other is not None and {t.shape for t in state.values()} <= {t.shape for t in other.values()}


def spelled(state: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """The state dict without the prefixes that keep it from the names `own` of the network.

    Up to 4 prefixes are taken off, as few as make most names the network's; keys without the prefix keep their names. MoCo's
    second encoder and queue are left out where `encoder_q.` was taken off.
    """
    readings: list[tuple[str, dict[str, Tensor]]] = [("", dict(state))]
    best = readings[0]
    for _ in range(DEPTH):
        readings = [
            (before + prefix, without(prefix, names))
            for before, names in readings
            for prefix in PREFIXES
            if any(key.startswith(prefix) for key in names)
        ]
        best = max([best, *readings], key=lambda reading: fit(reading[1], own))  # the first of equals
    prefixes, names = best
    if "encoder_q." in prefixes:
        names = {key: tensor for key, tensor in names.items() if not TWIN.match(key)}
    if prefixes not in ("", "module.", "_orig_mod."):
        log.info("names of weights are read without %s", prefixes)
    return names


def without(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names without the prefix; of two entries that then have one name, the one that had the prefix stays."""
    renamed = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    return {**{key: tensor for key, tensor in state.items() if not key.startswith(prefix)}, **renamed}


def fit(state: Mapping[str, Tensor], own: Collection[str]) -> int:
    """How many names are the network's."""
    return sum(key in state for key in own)
