"""The surgeries of the WSOL benchmark's networks, on which CALM's Tables 3 and 5 stand."""

from __future__ import annotations

from functools import partial

from cambench.models.acol import acol_head, vgg_acol
from cambench.models.adl import adl
from cambench.models.entry import Surgery
from cambench.models.gap import inception_6e, inception_gap, no_dropout, vgg_gap
from cambench.models.spg import spg_branches, vgg_spg

GAP = "CALM protocol §1.5 (WSOL benchmark, its code)"
ACOL = "Zhang et al. 2018, ACoL; WSOL benchmark, its code (rivals protocol §3)"
SPG = "Zhang et al. 2018, SPG; WSOL benchmark, its code (rivals protocol §4)"

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
    "vgg16-acol": Surgery(
        partial(vgg_acol, large=False),
        "VGG16 as ACoL's trunk, 14×14 at 224 px: pools overlap, the fifth keeps its map, an average, one linear layer",
        "a VGG",
        ACOL,
    ),
    "vgg16-acol-28": Surgery(
        partial(vgg_acol, large=True),
        "as vgg16-acol, 28×28 at 224 px: the fourth pool keeps its map too",
        "a VGG",
        ACOL,
    ),
    "inception-v3-acol": Surgery(
        partial(inception_6e, large=False),
        "InceptionV3 as ACoL's trunk, 14×14 at 224 px: up to Mixed_6e, an average, one linear layer",
        "an Inception v3",
        ACOL,
    ),
    "inception-v3-acol-28": Surgery(
        partial(inception_6e, large=True),
        "as inception-v3-acol, 28×28 at 224 px",
        "an Inception v3",
        ACOL,
    ),
    "acol-head": Surgery(
        acol_head,
        "ACoL's two classifiers of three convolutions in the place of one: the second sees what the first leaves",
        "a network that ends in a pooling module over its last map and one linear layer (with dropout between at most)",
        ACOL,
    ),
    "vgg16-spg": Surgery(
        partial(vgg_spg, large=False),
        "VGG16 as SPG's trunk, 14×14 at 224 px: no fifth pool, two more convolutions, an average, one linear layer",
        "a VGG",
        SPG,
    ),
    "vgg16-spg-28": Surgery(
        partial(vgg_spg, large=True),
        "as vgg16-spg, 28×28 at 224 px: no fourth pool either",
        "a VGG",
        SPG,
    ),
    "spg-branches": Surgery(
        spg_branches,
        "SPG's three side branches for training alone; the classifier's linear layer begins anew",
        "a ResNet, or a VGG or Inception v3 after its surgery",
        SPG,
    ),
    "adl": Surgery(
        adl,
        "attention-based dropout in three places: in training, the most attended cells are hidden now and then",
        "a ResNet, or a VGG or Inception v3 after its surgery",
        "Choe and Shim 2019; WSOL benchmark, its code (rivals protocol §6)",
    ),
    "no-dropout": Surgery(
        no_dropout,
        "every dropout is taken out",
        "a network with dropout",
        "authors' code (CALM protocol §1.5)",
    ),
}
