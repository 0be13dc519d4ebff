"""The surgeries of the WSOL benchmark's networks, on which CALM's Tables 3 and 5 stand."""

from __future__ import annotations

from functools import partial

from cambench.models.adl import adl
from cambench.models.entry import Surgery
from cambench.models.gap import inception_gap, no_dropout, vgg_gap

GAP = "CALM protocol §1.5 (WSOL benchmark, its code)"

WSOL: dict[str, Surgery] = {
    "vgg16-gap": Surgery(
        partial(vgg_gap, pools=1),
        "VGG16-GAP, 14×14 at 224 px: no fifth pool, one more convolution, an average, one linear layer",
        "a VGG",
        GAP,
    ),
    "vgg16-gap-28": Surgery(
        partial(vgg_gap, pools=2),
        "VGG16-GAP, 28×28 at 224 px: no fourth pool either",
        "a VGG",
        GAP,
    ),
    "inception-v3-gap": Surgery(
        partial(inception_gap, large=False),
        "InceptionV3 up to Mixed_6e, 14×14 at 224 px: two more convolutions with dropout, an average, one linear layer",
        "an Inception v3",
        GAP,
    ),
    "inception-v3-gap-28": Surgery(
        partial(inception_gap, large=True),
        "as inception-v3-gap, 28×28 at 224 px",
        "an Inception v3",
        GAP,
    ),
    "inception-v3-gap-28-bn": Surgery(
        partial(inception_gap, large=True, norm=True),
        "as inception-v3-gap-28, with batch norms after the new convolutions instead of dropout",
        "an Inception v3",
        "CALM authors' code, use_bn (CALM protocol §1.5)",
    ),
    "adl": Surgery(
        adl,
        "attention-based dropout in three places: in training, the most attended cells are hidden now and then",
        "a ResNet, or a VGG or Inception v3 after its surgery",
        "Choe and Shim 2019; WSOL benchmark, its code (drop rate 0.75, threshold 0.9)",
    ),
    "no-dropout": Surgery(
        no_dropout,
        "every dropout is taken out",
        "a network with dropout",
        "authors' code (CALM protocol §1.5)",
    ),
}
