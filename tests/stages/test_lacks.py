"""A plan asks for every file that a job reads: data set by data set, one kind of file after another is taken away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from boards import board
from data.masked_miniatures import hard_imagenet, pets, sbd
from data.miniatures import cub, imagenet, unrel, write
from data.test_openimages import openimages
from tiny import TINY

from cambench.recipes.tables import TableRecipe
from cambench.stages.reproducing.inventory import at_hand, find_network, settle
from cambench.stages.reproducing.measurement import eval_split
from cambench.stages.reproducing.plan import Job, Wish, make_jobs
from cambench.stages.reproducing.reproduce import Plan, reproduce
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place

SMALL = (*TINY, "model.init=scratch")
CE = '{ method = "ce", arch = "resnet8" }'


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Empty roots, and no weights of torchvision's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return Place(tmp_path / "data", tmp_path / "results", "cpu")


def planned(table: TableRecipe, place: Place, wish: Wish | None = None) -> list[Job]:
    """The jobs with their states, nothing remembered of an earlier plan."""
    jobs = make_jobs([table], wish or Wish(overrides=SMALL), partial(at_hand, place=place))
    for job in jobs:
        settle(job, place)
    return jobs


def on_split(table: TableRecipe, split: str) -> TableRecipe:
    """A table measured on another split."""
    return table.model_copy(update={"select": table.select.model_copy(update={"split": split})})


def masked(method: str, masks: str) -> str:
    """A row of a method with its masks."""
    return f'{{ method = "{method}", arch = "resnet8", settings = {{ "data.masks" = "{masks}" }} }}'


def measured(metric: str, **more: str) -> dict[str, str]:
    """A column."""
    words = {"metric": metric, **more}
    return {"x": ", ".join(f'{name} = "{word}"' for name, word in words.items())}


TOP1, CUES = measured("top1"), measured("cue-localisation", variant="fresh/mean")
CH, GIVEN = measured("ch", variant="correct"), '{ method = "pretrained", arch = "torchvision:resnet18" }'
BCE, SETS = '{ method = "bce", arch = "resnet8" }', measured("iauc", target="subset:supersets")
BY_LAYOUT = "expected by the official layout"
INSTANCE = "dataset/OpenImages/test/01226z/atest_m01226z_ab.png"
PETS = {
    "lists": (CE, TOP1, "annotations/test.txt", f"test.txt: {BY_LAYOUT}"),
    "images": (CE, TOP1, "images/Ragdoll_1.jpg", "names images that are not in"),
    "masks to learn from": (
        masked("cfce", "segmentation"), TOP1, "annotations/trimaps/Ragdoll_1.png", "train: expected segmentation for each",
    ),
    "masks to measure on": (
        CE, measured("grad-cam-iou"), "annotations/trimaps/Ragdoll_3.png", "got none for Ragdoll_3",
    ),
    "sam": (masked("cfce", "sam"), TOP1, "sam/Ragdoll_20.png", "sam for each image, got none for Ragdoll_20"),
    "class sets": (CE, SETS, "", "unknown subset 'supersets'"),
}  # fmt: skip
CUB = {
    "parts": (CE, CUES, "parts", "expected key points, found none"),
    "attributes": (CE, CUES, "attributes", "expected class attributes, found none"),
    "names of attributes": (CE, CUES, "../attributes.txt", f"attributes.txt: {BY_LAYOUT}"),
    "segmentations beside the set": (CE, CUES, "../segmentations", "expected segmentations, found none"),
    "boxes": (CE, TOP1, "bounding_boxes.txt", f"bounding_boxes.txt: {BY_LAYOUT}"),
}
HARD = {
    "pickles": (CE, TOP1, "meta/idx_to_wnid.pkl", f"idx_to_wnid.pkl: {BY_LAYOUT}"),
    "images of another set": (CE, TOP1, "../imagenet/train", BY_LAYOUT),
}
CASES = [
    *((pets, "pets", what) for what in PETS.items()),
    *((cub, "cub", what) for what in CUB.items()),
    *((hard_imagenet, "hard-imagenet", what) for what in HARD.items()),
    (hard_imagenet, "hard-imagenet-balanced", ("rankings", (CE, TOP1, "paths_by_rank2.pkl", f"rank2.pkl: {BY_LAYOUT}"))),
    (sbd, "sbd", ("segmentations of classes", (BCE, measured("average-precision"), "cls/2008_000008.mat", BY_LAYOUT))),
    (imagenet, "imagenet", ("boxes of val", (CE, CH, "annotation", "expected a label for each image of a flat val"))),
    (unrel, "unrel", ("images of pairs", (GIVEN, CH, "images/2.jpg", "names images that are not in"))),
    (
        openimages,
        "openimages-30k",
        ("masks of instances", (CE, measured("px-ap"), INSTANCE, "names masks that are in none")),
    ),
]


@pytest.mark.parametrize(("make", "name", "what"), CASES, ids=lambda case: case[0] if isinstance(case, tuple) else "")
def test_each_kind_of_file_is_asked_for(
    make: Callable[[Path], Path], name: str, what: tuple[str, tuple[str, dict[str, str], str, str]], there: Place
) -> None:
    root = make(there.data)
    row, column, file, said = what[1]
    if "sam" in row:
        shutil.copytree(root / "annotations" / "trimaps", root / "sam")
    weights = Path(torch.hub.get_dir()) / "checkpoints" / "resnet18-f37072fd.pth"
    weights.parent.mkdir(parents=True)
    weights.touch()
    table = on_split(board({"a": row}, column, dataset=name), eval_split(name))
    if file:
        assert {job.state for job in planned(table, there)} == {"missing"}, "all is there"
        gone = (root / file).resolve()
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    jobs = planned(table, there)
    assert jobs[-1].state == "blocked" and said in " ".join(jobs[-1].reasons), [job.reasons for job in jobs]
    assert not there.results.exists(), "a plan writes nothing"


def test_an_empty_folder_is_no_data_set(there: Place) -> None:
    (there.data / "oxford-iiit-pet" / "annotations").mkdir(parents=True)
    (there.data / "oxford-iiit-pet" / "annotations" / "trainval.txt").touch()
    jobs = planned(board({"a": CE}, dataset="pets"), there)
    assert [job.state for job in jobs] == ["blocked"] * 2 and "expected lines of images, got none" in jobs[0].reasons[0]


def test_the_list_of_labelled_images_is_asked_for(there: Place) -> None:
    root = imagenet(there.data)
    row = '{ method = "ce", arch = "resnet8", settings = { "data.labelled" = 0.01 } }'
    table = on_split(board({"a": row}, dataset="imagenet"), "val")
    training, measuring = planned(table, there)
    assert training.state == "blocked" and "expected the list of labelled images" in training.reasons[0]
    assert measuring.reasons == training.reasons
    names = [path.name for path in sorted((root / "train").rglob("*.JPEG"))]
    write(root / "1percent.txt", *names[::2])
    assert [job.state for job in planned(table, there)] == ["missing"] * 2
    write(root / "1percent.txt", *names[::2], f"{names[0].partition('_')[0]}_999.JPEG")
    assert "1percent.txt:5: expected an image of" in planned(table, there)[0].reasons[0]


def test_weights_of_a_finished_run_and_of_the_run_before_are_asked_for(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    wish = Wish(overrides=(*TINY, "train.epochs=1"))
    table = board({"a": '{ method = "ce" }', "b": '{ method = "supcon-ori" }'})
    jobs = planned(table, there, wish)
    assert {job.state for job in jobs} == {"missing"}
    run = train(TrainJob("ce", "synthbirds", overrides=wish.overrides), there)
    (run.path / "last.pt").unlink()
    training, measuring, *_ = planned(table, there, wish)
    assert (training.state, measuring.state) == ("finished", "blocked") and "expected last.pt in" in measuring.reasons[0]
    base = train(TrainJob("supcon", "synthbirds", overrides=wish.overrides), there)
    after = [job for job in planned(table, there, wish) if job.network.method == "supcon-ori"]
    assert after[0].network.base is not None and find_network(after[0].network.base, there) == base
    assert {job.state for job in after} == {"missing"}
    (base.path / "last.pt").unlink()
    after = [job for job in planned(table, there, wish) if job.network.method == "supcon-ori"]
    assert {job.state for job in after} == {"blocked"} and base.name in after[0].reasons[0]


def test_a_given_network_of_other_classes_is_not_measured(birds: Path, tmp_path: Path) -> None:
    there = Place(birds, tmp_path / "results", "cpu", download=True)
    (job,) = planned(board({"a": '{ method = "pretrained", arch = "torchvision:resnet18" }'}), there)
    assert job.state == "blocked" and "expected 1000 classes, one an output of the network, got 4" in job.reasons[0]


def test_data_that_is_made_on_first_use_is_neither_made_nor_asked_for(there: Place) -> None:
    jobs = planned(board({"a": masked("cfce", "sam")}), there)
    assert {job.state for job in jobs} == {"missing"} and not there.data.exists()


def test_what_a_plan_says_is_what_the_job_says(there: Place) -> None:
    """One definition: what blocks a job in the plan is the error with which it would fail."""
    root = pets(there.data)
    (root / "annotations" / "trimaps" / "Ragdoll_1.png").unlink()
    table = board({"a": masked("cfce", "segmentation")}, dataset="pets")
    jobs = planned(table, there)
    for job in jobs:
        job.state = "missing"  # as if nobody had asked
    (made,), whole = reproduce(Plan([table], jobs[:1]), there)
    assert not whole and f"Not measured: {jobs[0].reasons[0]}" in made.footnotes
