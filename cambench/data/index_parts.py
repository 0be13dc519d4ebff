"""The part of the index whose sets are parts of others, under names of their own, for experiments on few processors."""

from __future__ import annotations

from cambench.data.entry import DatasetEntry

LITE0 = "python:cambench.models.efficientnet_lite0:build"
"""A network with ImageNet weights that two cores can fine-tune."""

PARTS: dict[str, DatasetEntry] = {
    "cub-50": DatasetEntry(
        arch=LITE0,
        reader="cambench.data.parts:read_cub_50",
        title="cub-50: classes 1 to 50 of CUB-200-2011, with boxes, parts and attributes",
        splits=("train", "test"),
        obtain="as cub, whose folder serves: https://data.caltech.edu/records/65de6-vp158 (CUB_200_2011.tgz)",
        licence="non-commercial research and education; the images belong to their photographers",
        layout="as cub, of all 200 classes or of these alone",
        folders=("CUB_200_2011",),
        anchors=("images.txt",),
        own="cambench.data.cub:is_photographs",
        counts={"train": 1500, "test": 1389},
        classes=50,
        comparable=False,
        notes=("classes 1 to 50 of CUB-200-2011 (cub-50)",),
    ),
    "tiny-imagenet-small-box": DatasetEntry(
        arch=LITE0,
        reader="cambench.data.parts:read_small_box",
        title="tiny-imagenet-small-box: the ten classes of Tiny ImageNet with the smallest boxes (data/small_box.txt)",
        splits=("train", "val"),
        obtain="as tiny-imagenet, whose folder serves: http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        licence="as ImageNet: non-commercial research and education",
        layout="as tiny-imagenet",
        folders=("tiny-imagenet-200",),
        anchors=("wnids.txt",),
        counts={"train": 5000, "val": 500},
        classes=10,
        comparable=False,
        notes=("ten classes of Tiny ImageNet (tiny-imagenet-small-box)",),
    ),
    "cifar100-10": DatasetEntry(
        arch="resnet18-small",
        reader="cambench.data.parts:read_cifar100_10",
        title="cifar100-10: the first ten classes of CIFAR-100, no boxes",
        splits=("train", "test"),
        obtain="as cifar100, whose folder serves: https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        licence="none stated; research use, the images belong to their photographers",
        layout="as cifar100",
        folders=("cifar-100-python", "cifar100"),
        anchors=("meta", "train", "test"),
        counts={"train": 5000, "test": 1000},
        classes=10,
        comparable=False,
        notes=("ten classes of CIFAR-100 (cifar100-10)",),
    ),
}
