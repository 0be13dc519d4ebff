"""The part of the index that is laid out for weakly supervised localisation."""

from __future__ import annotations

from cambench.data.entry import DatasetEntry

WSOL: dict[str, DatasetEntry] = {
    "cub-wsol": DatasetEntry(
        reader="cambench.data.wsol:read_cub",
        title="CUB-200-2011 as the WSOL benchmark splits it; val is CUBV2",
        splits=("train", "val", "test"),
        obtain="https://github.com/clovaai/wsolevaluation (metadata, CUBV2), CUB_200_2011.tgz as for cub",
        licence="non-commercial research and education; the images belong to their photographers",
        layout="wsol/{metadata/CUB/{train,val,test}/*.txt, dataset/CUB/<ddd.Name>/*.jpg} or CUB_200_2011/images and CUBV2/",
        folders=("wsol", "wsolevaluation"),
        anchors=("metadata/CUB",),
        counts={"train": 5994, "val": 1000, "test": 5794},
        classes=200,
    ),
    "imagenet-wsol": DatasetEntry(
        reader="cambench.data.wsol:read_imagenet",
        title="ImageNet-1k as the WSOL benchmark splits it; val is ImageNetV2, test the official val",
        splits=("train", "val", "test"),
        obtain="https://github.com/clovaai/wsolevaluation (metadata, ImageNetV2), ImageNet-1k as for imagenet",
        licence="non-commercial research and education, under ImageNet's terms of access",
        layout="wsol/{metadata/ILSVRC/{train,val,test}/*.txt, dataset/ILSVRC/{train,val,val2}/} or imagenet/, ImageNetV2/",
        folders=("wsol", "wsolevaluation"),
        anchors=("metadata/ILSVRC",),
        counts={"train": 1_281_167, "val": 10_000, "test": 50_000},
        classes=1000,
    ),
    "openimages-30k": DatasetEntry(
        reader="cambench.data.wsol:read_openimages",
        title="OpenImages30k, the part of OpenImages V5 with masks that the WSOL benchmark draws",
        splits=("train", "val", "test"),
        obtain="https://github.com/clovaai/wsolevaluation (metadata; its script fetches images and masks)",
        licence="annotations CC BY 4.0; images listed as CC BY 2.0, they belong to their photographers",
        layout="wsol/{metadata/OpenImages/{train,val,test}/*.txt, dataset/OpenImages/{train,val,test}/<code>/*.{jpg,png}}",
        folders=("wsol", "wsolevaluation"),
        anchors=("metadata/OpenImages",),
        counts={"train": 29_819, "val": 2500, "test": 5000},
        classes=100,
    ),
}
