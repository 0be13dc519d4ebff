"""How a network wants its images: the side, the colours' mean and deviation, where it declares them, else what is assumed.

A `python:` network declares them as an attribute of the network, of the function that makes it, or of their module:

- `default_cfg` or `pretrained_cfg`, as timm's: input_size (C,H,W), crop_pct, mean, std, interpolation;
- `preprocessing`, a dictionary: size, resize, mean, std, interpolation;
- `transforms` or `weights`, as torchvision's: what resizes and crops (`resize_size`, `crop_size`, mean, std), or the weights
  whose `transforms()` it is.

torchvision's own networks are asked for the transforms of the weights that they are loaded with, timm's for their
`pretrained_cfg`, the folder of an `hf:` network for its image processor. Of the last two the sort of crop and the resampling
are followed as well; for all others every image is resized bilinearly and cut in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from torch import nn

from cambench.geometry import BILINEAR, KERNELS
from cambench.lookup import nearest
from cambench.models import hf_networks
from cambench.models.backbones import HF, PYTHON, TIMM, resolve, torchvision_weights
from cambench.models.python import find_function, import_module
from cambench.pixels import DEFAULT, Colours, Normalisation
from cambench.vocabulary import UsageError

SIZE, CROP = 224, 0.875
CENTRAL, SQUASHED, WHOLE = "resize-center-crop", "squash-center-crop", "resize"
CROPS = {"center": CENTRAL, "squash": SQUASHED}
"""timm's crop_mode -> the view."""
LARGE, SHARE = 384, 224 / 256
"""Of ConvNeXt's processor in transformers: the side from which images are squashed, the crop's share below it."""
CONFIGS, OWN, TORCHVISION = ("default_cfg", "pretrained_cfg"), "preprocessing", ("transforms", "weights")
COMMAND = "command"
KEYS = ("size", "resize", "mean", "std", "interpolation")


@dataclass(frozen=True)
class Preprocessing:
    """The side of the input, of the shorter side before the crop (None: size·256/224), the normalisation, the resampling.

    source: the attribute that declares it, "" where it is assumed. sized: whether it declares the side too.
    crop: the view of `data.views`. followed: whether crop and resampling are as declared, not central and bilinear.
    """

    size: int = SIZE
    resize: int | None = None
    normalisation: Normalisation = DEFAULT
    interpolation: str = BILINEAR
    source: str = ""
    sized: bool = False
    crop: str = CENTRAL
    followed: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """What a recipe's `input` says of it, by its keys."""
        colours = {name: list(values) for name, values in self.normalisation._asdict().items()}
        return {"size": self.size, "resize": self.resize or 0, "normalisation": colours, **self.view}

    @property
    def view(self) -> dict[str, str]:
        """The sort of crop and the resampling, where they are not central and bilinear."""
        if not self.followed:
            return {}
        resampling = self.interpolation if self.interpolation in KERNELS else BILINEAR
        usual = {"evaluation": CENTRAL, "interpolation": BILINEAR}
        return {k: v for k, v in {"evaluation": self.crop, "interpolation": resampling}.items() if v != usual[k]}

    def __str__(self) -> str:
        """In words."""
        mean, std = (", ".join(f"{v:.4g}" for v in values) for values in self.normalisation)
        if not self.source:
            return (
                f"it declares no preprocessing; taken are {self.size} px and ImageNet's mean ({mean}) and deviation ({std})"
            )
        other = f"; it declares {self.interpolation}, here images are resized bilinearly"
        other = "" if self.interpolation in (BILINEAR, self.view.get("interpolation")) else other
        whose = "as the command says" if self.source == COMMAND else f"its own preprocessing ({self.source})"
        return f"{whose}: {self.size} px, mean ({mean}), deviation ({std}){other}"


def preprocessing_of(arch: str, network: nn.Module, given: Mapping[str, Any] | None = None) -> Preprocessing:
    """What a network declares; of one that declares nothing what is given (`size`, `mean`, `std`), and what is assumed.

    Raises: UsageError for a declaration that is not understood, naming the attribute; where one is given beside it.
    """
    own = declared_by(arch, network)
    if given and own.source:
        options = "--input-size, --mean and --std"
        raise UsageError(f"{arch}: expected a network that declares nothing for {options}, got {own}; leave them out.")
    return as_dictionary(COMMAND, given) if given else own


def declared_by(arch: str, network: nn.Module) -> Preprocessing:
    """What a network declares, or what is assumed of one that declares nothing."""
    name = resolve(arch)
    if name.startswith(PYTHON):
        spec = name.removeprefix(PYTHON)
        module = import_module(spec.partition(":")[0], spec)
        declarations = (declared(holder) for holder in (network, find_function(spec), module))
        return next((declaration for declaration in declarations if declaration is not None), Preprocessing())
    if name.startswith(TIMM):
        return replace(declared(network) or Preprocessing(), followed=True)
    if name.startswith(HF):
        own, side = hf_networks.processor(name), getattr(network.config, "image_size", None)
        assumed = Preprocessing(side if isinstance(side, int) else SIZE)
        return assumed if own is None else as_transformers(hf_networks.PROCESSOR, own)
    weights = torchvision_weights(name)
    return Preprocessing() if weights is None else as_torchvision("its weights", weights.transforms())


def declared(holder: object) -> Preprocessing | None:
    """What an object declares in one of the known spellings, None where it declares nothing."""
    for name in CONFIGS:
        value = getattr(holder, name, None)
        if value is not None and field(value, "mean") is not None:
            return as_timm(name, value)
    value = getattr(holder, OWN, None)
    if isinstance(value, Mapping):
        return as_dictionary(OWN, value)
    for name in TORCHVISION:
        value = getattr(holder, name, None)
        transforms = getattr(value, "transforms", None)
        transform = transforms() if callable(transforms) else value
        if hasattr(transform, "crop_size") and hasattr(transform, "mean"):
            return as_torchvision(name, transform)
    return None


def field(value: object, name: str) -> Any:
    """An entry of a dictionary, or an attribute of anything else; None where it is not there."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def as_timm(source: str, value: object) -> Preprocessing:
    """timm's: the shorter side becomes ⌊size/crop_pct⌋ before the crop."""
    size = whole(source, (field(value, "input_size") or (3, SIZE, SIZE))[-1])
    resize = int(size / (field(value, "crop_pct") or CROP))
    own = settled(source, size, resize, value, sized=field(value, "input_size") is not None)
    mode = field(value, "crop_mode") or "center"
    return replace(own, crop=CROPS.get(mode, CENTRAL))


def as_transformers(source: str, value: object) -> Preprocessing:
    """That of an image processor of transformers: shorter side or both sides resized, with or without a central crop.

    Raises: UsageError where its images would not be squares of one size.
    """
    shape = field(value, "size")
    shorter, high, wide = (field(shape, name) for name in ("shortest_edge", "height", "width"))
    size = resize = shorter or high
    crop = CENTRAL if shorter else SQUASHED
    if shorter and type(value).__name__.startswith("ConvNext"):
        crop = CENTRAL if shorter < LARGE else WHOLE
        resize = int(shorter / (field(value, "crop_pct") or SHARE)) if shorter < LARGE else shorter
    elif field(value, "do_center_crop"):
        size = field(field(value, "crop_size"), "height")
    elif not shorter:
        crop = WHOLE
    else:
        size = None
    if not (field(value, "do_resize") and size and resize and size <= resize and high == wide):
        raise UsageError(
            f"{source} of the network: expected images resized to a square, or cut to one, got size {shape}, crop "
            f"{field(value, 'crop_size') if field(value, 'do_center_crop') else 'none'}; write a python: function for it."
        )
    kind = Image.Resampling(field(value, "resample")).name.lower()
    facts = {**affine(value), "interpolation": kind}
    own = settled(source, whole(source, size), None if crop == WHOLE else whole(source, resize), facts)
    return replace(own, crop=crop, followed=True)


def affine(value: object) -> dict[str, list[float]]:
    """The mean and deviation that an image processor's steps come to, of pixels p in [0,1].

    They are (255·f·p − o − μ)/σ, f being its rescale_factor and o its rescale_offset; EfficientNet's divides by σ once more
    (include_top). Source: transformers' image processors.
    """
    scale = 255 * (field(value, "rescale_factor") if field(value, "do_rescale") else 1)
    offset = 1 if field(value, "rescale_offset") else 0
    mean, std = field(value, "image_mean") or [0.0] * 3, field(value, "image_std") or [1.0] * 3
    means, stds = (mean, std) if field(value, "do_normalize") else ([0.0] * 3, [1.0] * 3)
    again = std if field(value, "include_top") else [1.0] * 3
    return {
        "mean": [(m + offset) / scale for m in means],
        "std": [s * a / scale for s, a in zip(stds, again, strict=True)],
    }


def as_dictionary(source: str, value: Mapping[str, Any]) -> Preprocessing:
    """cambench's own spelling. Raises: UsageError for a key that it does not know."""
    for key in value:
        if key not in KEYS:
            raise UsageError(f"{source} of the network: {nearest(str(key), KEYS, 'key')}")
    size = whole(source, value.get("size", SIZE))
    resize = None if value.get("resize") is None else whole(source, value["resize"])
    return settled(source, size, resize, value, sized="size" in value)


def as_torchvision(source: str, value: object) -> Preprocessing:
    """torchvision's ImageClassification, whose sizes are lists of one number."""
    size, resize = (first(field(value, name)) for name in ("crop_size", "resize_size"))
    return settled(source, whole(source, size), whole(source, resize or size), value)


def settled(source: str, size: int, resize: int | None, value: object, *, sized: bool = True) -> Preprocessing:
    """The rest, which all spellings share. A resize side that is size·256/224 anyway goes without saying."""
    mean = colours(source, field(value, "mean"), DEFAULT.mean)
    std = colours(source, field(value, "std"), DEFAULT.std)
    kind = field(value, "interpolation") or BILINEAR
    usual = resize is None or resize == round(size * 256 / 224)
    return Preprocessing(
        size, None if usual else resize, Normalisation(mean, std), str(getattr(kind, "value", kind)), source, sized
    )


def first(value: Any) -> Any:
    """The first of several numbers, or the number."""
    return value[0] if isinstance(value, list | tuple) else value


def whole(source: str, value: Any) -> int:
    """A side in pixels. Raises: UsageError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{source} of the network: expected a side in pixels, got {value!r}.")
    return value


def colours(source: str, value: Any, usual: Colours) -> Colours:
    """Three numbers. Raises: UsageError for anything else."""
    if value is None:
        return usual
    try:
        red, green, blue = (float(v) for v in value)
    except (TypeError, ValueError) as e:
        raise UsageError(f"{source} of the network: expected a number for red, green and blue, got {value!r}.") from e
    return red, green, blue
