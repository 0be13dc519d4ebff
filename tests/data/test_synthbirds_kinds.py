"""The other kinds of synthbirds: small birds, two families, several birds a picture; and the simulated masks."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cambench.data import check, cub, decode, describe, load, regions, synthbirds
from cambench.data.synthbirds import cast, draw, flock, multilabel, stand_in_masks
from cambench.data.synthbirds.draw import pose_bird, random_pose
from cambench.data.synthbirds.species import species
from cambench.vocabulary import DataError, UsageError

SIZES = {"per_class": 5, "test_per_class": 3, "size": 64}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one small set of each kind."""
    place = tmp_path_factory.mktemp("kinds")
    synthbirds.make(place / "synthbirds", classes=4, **SIZES)
    synthbirds.make_binary(place / "synthbirds-binary", **SIZES)
    synthbirds.make_multilabel(place / "synthbirds-multilabel", **SIZES)
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def digits(folder: Path) -> str:
    """Sixteen digits of all masks of a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.png")):
        digest.update(decode.above(0)(path).tobytes())
    return digest.hexdigest()[:16]


def test_the_usual_set_has_no_new_parameters(root: Path) -> None:
    """It is the set as it was drawn before scale, kinds and simulated masks."""
    text = (root / "synthbirds" / "synthbirds.json").read_text()
    assert "scale" not in text and "kind" not in text and '"drawing": 1' in text


@pytest.mark.parametrize(
    ("kind", "drawing", "cast", "shapes"),
    [
        ("species", 1, "b3cb2d4142c6d570", "487a6ad103d77295"),
        ("binary", 2, "57050066724f7fbc", "d88b4ae119104f31"),
        ("multilabel", 1, "b1c16ef046c95518", "3a3d43ce28551ff0"),
    ],
)
def test_every_kind_is_what_its_drawing_says(root: Path, kind: str, drawing: int, cast: str, shapes: str) -> None:
    """The digits are of the birds in the pictures, colours and all, and of the segmentations: DRAWING goes up with them."""
    place = root / ("synthbirds" if kind == "species" else f"synthbirds-{kind}")
    settings = synthbirds.parameters(place)
    assert settings["drawing"] == synthbirds.DRAWING[kind] == drawing
    birds = "\n".join(f"{row.name} {row.family} {row.members}" for row in synthbirds._rows(settings))
    assert hashlib.sha256(birds.encode()).hexdigest()[:16] == cast
    assert digits(place / "segmentations") == shapes


def test_an_earlier_drawing_is_refused_by_maker_and_reader(root: Path, tmp_path: Path) -> None:
    """Drawing 1 of the binary set, whose families shared every plumage, is no drawing 2."""
    place = shutil.copytree(root / "synthbirds-binary", tmp_path / "synthbirds-binary")
    path = place / "synthbirds.json"
    path.write_text(path.read_text().replace('"drawing": 2', '"drawing": 1'))
    with pytest.raises(UsageError, match="got one with drawing 1 instead of 2; name another folder or delete this one"):
        synthbirds.make_binary(place, **SIZES)
    for spec in ("synthbirds-binary", f"synthbirds-binary:{place}"):
        with pytest.raises(DataError, match="expected drawing 2 of synthbirds-binary, got 1; delete this folder"):
            load(spec, "train", tmp_path)
    assert "expected drawing 2" in check.check("synthbirds-binary", tmp_path).problems[0]
    for broken in ("{", "[1]", "3"):
        path.write_text(broken)
        with pytest.raises(DataError, match="synthbirds.json: expected the parameters of the set as JSON"):
            load("synthbirds-binary", "train", tmp_path)


@pytest.mark.parametrize("name", ["synthbirds", "synthbirds-binary", "synthbirds-multilabel"])
def test_every_kind_is_whole_and_the_same_again(root: Path, tmp_path: Path, name: str) -> None:
    report = check.check(name, root)
    assert report.problems == []
    assert not any("segmentation" in note or "outside" in note for note in report.notes)
    maker = {"synthbirds": synthbirds.make, "synthbirds-binary": synthbirds.make_binary}.get(
        name, synthbirds.make_multilabel
    )
    options = {**SIZES, "classes": 4} if name == "synthbirds" else SIZES
    assert contents(maker(tmp_path / "again", **options)) == contents(root / name)
    assert maker(root / name, **options) == root / name
    with pytest.raises(UsageError, match="seed 0 instead of 1"):
        maker(root / name, **options, seed=1)


def test_a_set_of_another_kind_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="kind binary instead of multilabel"):
        synthbirds.make_multilabel(root / "synthbirds-binary", **SIZES)


@pytest.mark.parametrize("scale", [0.3, 0.5])
def test_scale_makes_every_bird_smaller_by_that_much(root: Path, tmp_path: Path, scale: float) -> None:
    small = cub.read(synthbirds.make(tmp_path / "small", classes=4, **SIZES, scale=scale), "train")
    usual = cub.read(root / "synthbirds", "train")
    for a, b in zip(small.samples, usual.samples, strict=True):
        (x0, y0, x1, y1), (u0, v0, u1, v1) = a.boxes[0], b.boxes[0]
        if min(u0, v0) > 0 and max(u1, v1) < 64:  # else a part of it lies outside the picture
            assert (x1 - x0) / (u1 - u0) == pytest.approx(scale, abs=0.15)
            assert (y1 - y0) / (v1 - v0) == pytest.approx(scale, abs=0.15)
    backgrounds = [(tmp_path / "small" / "backgrounds.txt"), (root / "synthbirds" / "backgrounds.txt")]
    assert backgrounds[0].read_text() == backgrounds[1].read_text()
    with pytest.raises(UsageError, match=f"got one with scale 1.0 instead of {scale}"):
        synthbirds.make(root / "synthbirds", classes=4, **SIZES, scale=scale)
    with pytest.raises(UsageError, match=f"got one with scale {scale} instead of 1.0"):
        synthbirds.make(tmp_path / "small", classes=4, **SIZES)


def test_waders_and_songbirds_differ_in_shape_and_in_plumage(root: Path) -> None:
    train, test = load("synthbirds-binary", "train", root), load("synthbirds-binary", "test", root)
    assert train.classes == ("Wader", "Songbird") and not train.comparable and not train.multilabel
    assert Counter(s.label for s in train.samples) == {0: 4, 1: 6} and Counter(s.label for s in test.samples) == {0: 2, 1: 4}
    assert any(s.parts for s in train.samples) and not train.attributes
    drawn = [cast.members("binary", label, 2, np.random.default_rng(i)) for label in (0, 1) for i in range(200)]
    birds = {label: [bird for ((k, bird),) in drawn if k == label] for label in (0, 1)}
    assert {b.leg.long for b in birds[0]} == {True} and {b.leg.long for b in birds[1]} == {False}
    for look in (lambda b: b.head.bill_shape, lambda b: b.tail.shape):
        assert not {look(b) for b in birds[0]} & {look(b) for b in birds[1]}
    plumages = [{(b.back, b.belly, b.breast, b.wing, b.tail.color, b.leg.color) for b in birds[label]} for label in (0, 1)]
    wanted = [species(16)[:8], species(16)[8:]]
    for label in (0, 1):
        assert plumages[label] == {(s.back, s.belly, s.breast, s.wing, s.tail.color, s.leg.color) for s in wanted[label]}
    assert not plumages[0] & plumages[1]


def test_several_birds_of_different_classes_with_a_map_of_their_classes(root: Path) -> None:
    train = load("synthbirds-multilabel", "train", root)
    assert train.multilabel and train.segments == "classes" and len(train) == 30 and len(train.classes) == 6
    assert {len(s.labels) for s in train.samples} == {2, 3}
    assert describe(train)["fewest a class"] >= 5  # at least those that were made for it
    for row, sample in enumerate(train.samples):
        assert sample.label == min(sample.labels) and list(sample.labels) == sorted(sample.labels)
        found = regions.load_regions(train, row, "segmentation")
        assert set(np.unique(found)) == {-1, *sample.labels}
        ys, xs = np.nonzero(found == sample.label)
        assert sample.boxes == ((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1),)
        sizes = [(found == k).sum() for k in sample.labels]
        assert min(sizes) > 60 and sum(sizes) < 0.5 * found.size


def test_the_map_shows_each_bird_where_its_colours_are(root: Path) -> None:
    """Common Jay is blue, Common Finch brown below a red crown: a map that is shifted or swaps classes would not say so."""
    train = load("synthbirds-multilabel", "train", root)
    names = {name: i for i, name in enumerate(train.classes)}
    blue, seen = {"Common Jay": True, "Common Finch": False, "Common Warbler": False}, Counter[str]()
    for row, sample in enumerate(train.samples):
        found = regions.load_regions(train, row, "segmentation")
        mean = {
            name: decode.pixels(sample.path)[found == names[name]].mean(0) for name in blue if names[name] in sample.labels
        }
        for name, (r, _, b) in mean.items():
            assert (b > r + 10) == blue[name], (sample.id, name)
            seen[name] += 1
    assert min(seen.values()) > 5 and len(seen) == 3


def test_birds_of_a_flock_keep_apart_and_inside(root: Path) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        members = cast.members("multilabel", seed % 6, 6, rng)
        birds = flock.gather(members, [np.random.default_rng([seed, i]) for i in range(3)][: len(members)], rng, 96, 0.6)
        boxes = [flock.bounds(m.bird) for m in birds]
        assert all(min(b) >= -1e-9 and max(b) <= 96 + 1e-9 for b in boxes)
        assert max(flock.overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i]) < 0.1
        heights = [m.bird.ground[:, 1].mean() for m in birds]
        assert heights == sorted(heights)


def test_overlap_and_moving_by_hand() -> None:
    assert flock.overlap((0, 0, 4, 4), (2, 2, 4, 4)) == 1.0
    assert flock.overlap((0, 0, 4, 4), (3, 1, 7, 5)) == 3 / 16
    assert flock.overlap((0, 0, 4, 4), (4, 0, 8, 4)) == 0.0
    bird = pose_bird(species(1)[0], random_pose(np.random.default_rng(0)), 96)
    there = flock.moved(bird, 3.0, -2.0)
    assert flock.bounds(there) == pytest.approx(np.add(flock.bounds(bird), (3, -2, 3, -2)))
    assert there.keypoints["eye"] == pytest.approx(np.add(bird.keypoints["eye"], (3, -2)))
    assert there.ground == pytest.approx(bird.ground + (3, -2))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 1", r"labels.txt:1: expected classes in ascending order, each once, got '2 1'"),
        ("1 7", r"labels.txt:1: expected a whole number from 1 to 6"),
        ("99 1 2", r"labels.txt: expected a line for each image of images.txt, got none for 1"),
        ("1 4 5", r"labels.txt: expected the class . of image_class_labels.txt first for .*, got 4"),
    ],
)
def test_malformed_labels(root: Path, tmp_path: Path, line: str, message: str) -> None:
    place = shutil.copytree(root / "synthbirds-multilabel", tmp_path / "set")
    lines = (place / "labels.txt").read_text().splitlines()
    (place / "labels.txt").write_text("\n".join([line, *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=message):
        multilabel.read(place, "train")


def test_simulated_masks_are_near_the_truth_and_never_it_all(root: Path) -> None:
    assert not (root / "synthbirds-multilabel" / "sam").exists()
    agree = []
    for name in ("synthbirds", "synthbirds-binary"):
        for split in ("train", "test"):
            dataset = load(name, split, root)
            folder = str(dataset.root / "sam")
            regions.check_source(dataset, folder)
            for row in range(len(dataset)):
                exact, near = (regions.load_regions(dataset, row, source) >= 0 for source in ("segmentation", folder))
                assert near.any()
                agree.append((exact & near).sum() / (exact | near).sum())
    assert 0.7 < np.mean(agree) < 0.95 and min(agree) > 0.3 and max(agree) > 0.95


def test_a_set_from_before_the_simulated_masks_gets_them(root: Path, tmp_path: Path) -> None:
    place = shutil.copytree(root / "synthbirds", tmp_path / "set")
    shutil.rmtree(place / "sam")
    synthbirds.make(place, classes=4, **SIZES)
    assert contents(place) == contents(root / "synthbirds")


def test_a_simulated_mask_of_a_thin_thing_is_not_empty() -> None:
    mask = np.zeros((32, 32), dtype=bool)
    mask[3, 4:9] = True
    for seed in range(100):
        assert stand_in_masks.simulate(mask, np.random.default_rng(seed)).any()


@pytest.mark.parametrize(
    ("maker", "options", "message"),
    [
        (synthbirds.make_binary, {"classes": 3}, "expected classes from 2 to 2, got 3"),
        (synthbirds.make_multilabel, {"classes": 2}, "expected classes from 3 to 16, got 2"),
        (synthbirds.make_multilabel, {"classes": 17}, "expected classes from 3 to 16, got 17"),
        (synthbirds.make, {"scale": 0.1}, "expected scale from 0.2 to 1, got 0.1; change --scale"),
        (synthbirds.make, {"scale": 1.5}, "expected scale from 0.2 to 1, got 1.5; change --scale"),
    ],
)
def test_parameters_out_of_range(tmp_path: Path, maker, options: dict[str, float], message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=message):
        maker(tmp_path / "set", **options)


def test_a_background_betrays_the_class_that_an_image_was_made_for() -> None:
    settings = {"kind": "multilabel", "classes": 6, "per_class": 10, "test_per_class": 5, "seed": 0, "background": 1.0}
    families = {(row.label, row.family) for row in synthbirds._rows(settings)}
    assert len(families) == 6
    assert all(row.members[0][0] == row.label for row in synthbirds._rows(settings))
    assert all(len({k for k, _ in row.members}) == len(row.members) for row in synthbirds._rows(settings))


def test_a_multilabel_png_is_class_plus_one(root: Path) -> None:
    with Image.open(next((root / "synthbirds-multilabel" / "segmentations").rglob("*.png"))) as image:
        assert image.mode == "L" and set(np.unique(np.asarray(image))) <= set(range(7))


def test_a_nearer_bird_hides_a_farther_one_exactly() -> None:
    """Two large birds: each pixel of the map belongs to the nearest bird that covers more than half of its samples."""
    hidden = 0
    for seed in range(6):
        members = cast.members("multilabel", seed, 6, np.random.default_rng([2, seed]))[:2]
        birds, scene = [[np.random.default_rng([seed, i]) for i in range(2)] for _ in "ab"], [seed, 9]
        picture = flock.paint_flock(members, "sand", birds[0], np.random.default_rng(scene), 64)
        far, near = flock.gather(members, birds[1], np.random.default_rng(scene), 64, 1.0)
        cover = [draw.regions(m.bird, 64) > 0 for m in (far, near)]
        share = [c.reshape(64, draw.SUPER, 64, draw.SUPER).mean((1, 3)) for c in (cover[0] & ~cover[1], cover[1])]
        expected = np.where(share[1] > 0.5, near.label + 1, np.where(share[0] > 0.5, far.label + 1, 0))
        assert (picture.regions == expected).all()
        assert (picture.mask == (expected == min(far.label, near.label) + 1)).all()
        hidden += int((cover[0] & cover[1]).any())
    assert hidden > 1
