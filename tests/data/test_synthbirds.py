"""synthbirds: classes, exact ground truth, determinism, the layout of CUB-200-2011."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import differing
from PIL import Image

from cambench.data import cub, synthbirds
from cambench.data.synthbirds import make
from cambench.data.synthbirds.attributes import GROUPS, NAMES, PARTS, Species, attributes
from cambench.data.synthbirds.draw import ID, SUPER, Pose, pose_bird, random_pose, regions
from cambench.data.synthbirds.picture import PART_NAMES, paint
from cambench.data.synthbirds.scene import FAMILIES
from cambench.data.synthbirds.species import LIMIT, species
from cambench.vocabulary import Dataset, UsageError

SMALL = {"classes": 5, "per_class": 8, "test_per_class": 4, "size": 64, "background": 0.5}
WORDS = {
    "head": ("bill", "crown", "eye", "forehead", "head", "nape", "throat"),
    "back": ("back",),
    "belly": ("belly",),
    "breast": ("breast",),
    "tail": ("tail",),
    "leg": ("leg",),
    "wing": ("wing",),
}


def parts_of(names: set[str] | frozenset[str]) -> set[str]:
    """The substring rule of CALM protocol §2.1.2."""
    return {part for part, words in WORDS.items() for name in names if any(w in name for w in words)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("synthbirds") / "set", **SMALL)


@pytest.fixture(scope="module")
def splits(made: Path) -> list[Dataset]:
    return [cub.read(made, split) for split in ("train", "test")]


def mask_of(path: Path | None) -> np.ndarray:
    assert path is not None
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.array(image)


def generators(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    return np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])


def test_official_attributes() -> None:
    assert len(NAMES) == len(set(NAMES)) == 312
    assert len(GROUPS) == 28
    counts = Counter(frozenset(parts_of({name})) for name in NAMES)
    assert {tuple(p)[0] if p else "none": n for p, n in counts.items()} == {
        "head": 9 + 3 + 15 + 11 + 15 + 14 + 15 + 15 + 15,
        "back": 19,
        "belly": 19,
        "breast": 19,
        "tail": 40,
        "leg": 16,
        "wing": 24,
        "none": 15 + 15 + 5 + 15 + 13,
    }


@pytest.mark.parametrize("count", range(4, 61))
def test_every_set_has_pairs_one_two_and_three_parts_apart(count: int) -> None:
    birds = species(count)
    assert len(birds) == len({b.name for b in birds}) == count
    histogram = Counter(len(differing(a, b)) for a, b in itertools.combinations(birds, 2))
    assert min(histogram[k] for k in (1, 2, 3)) >= 2
    assert histogram[0] == 0


def test_differing_attributes_are_those_of_the_differing_parts() -> None:
    has = {bird.name: attributes(bird) for bird in species(LIMIT)}
    assert frozenset().union(*has.values()) <= set(NAMES)
    for a, b in itertools.combinations(species(LIMIT), 2):
        assert parts_of(has[a.name] ^ has[b.name]) == differing(a, b), (a.name, b.name)


def test_every_part_is_the_only_difference_of_some_pair() -> None:
    birds = species(28)
    alone = [differing(a, b) for a, b in itertools.combinations(birds, 2)]
    assert {part for (part,) in (d for d in alone if len(d) == 1)} == set(PARTS)


def test_cub_reader_reads_it(made: Path, splits: list[Dataset]) -> None:
    train, test = splits
    assert (len(train), len(test)) == (40, 20)
    assert train.classes[:2] == ("Common Finch", "Gold winged Finch")
    assert Counter(s.label for s in train.samples) == dict.fromkeys(range(5), 8)
    assert Counter(s.label for s in test.samples) == dict.fromkeys(range(5), 4)
    parts = (made / "parts" / "parts.txt").read_text().splitlines()
    assert tuple(line.partition(" ")[2] for line in parts) == PART_NAMES
    assert cub.attribute_names(made) == NAMES
    assert np.array(train.attributes).shape == (5, 312)
    for a, b in itertools.combinations(range(5), 2):
        apart = {
            n for n, x, y in zip(NAMES, train.attributes[a], train.attributes[b], strict=True) if (x >= 50) != (y >= 50)
        }
        assert parts_of(apart) == differing(species(5)[a], species(5)[b])
    for sample in train.samples + test.samples:
        with Image.open(sample.path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_tables_have_one_line_for_everything(made: Path) -> None:
    locations = [line.split() for line in (made / "parts" / "part_locs.txt").read_text().splitlines()]
    assert [(int(i), int(p)) for i, p, *_ in locations] == [(i, p) for i in range(1, 61) for p in range(1, 16)]
    assert all((x, y) == ("0.0", "0.0") for _, _, x, y, visible in locations if visible == "0")
    families = [line.split()[1] for line in (made / "backgrounds.txt").read_text().splitlines()]
    assert len(families) == 60
    assert set(families) <= set(FAMILIES)
    ids = [int(line.split()[0]) for line in (made / "images.txt").read_text().splitlines()]
    assert ids == list(range(1, 61))


def test_boxes_are_tight_and_objects_small(splits: list[Dataset]) -> None:
    shares = []
    for sample in splits[0].samples + splits[1].samples:
        mask = mask_of(sample.segmentation)
        assert set(np.unique(mask)) == {0, 255}
        ys, xs = np.nonzero(mask)
        assert sample.boxes == ((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1),)
        (x0, y0, x1, y1) = sample.boxes[0]
        shares.append((x1 - x0) * (y1 - y0) / mask.size)
    assert min(shares) > 0.14
    assert max(shares) < 0.46
    assert max(shares) - min(shares) > 0.15


def test_visible_parts_lie_inside_the_segmentation(splits: list[Dataset]) -> None:
    seen: Counter[str] = Counter()
    for sample in splits[0].samples + splits[1].samples:
        mask = mask_of(sample.segmentation)
        names = {PART_NAMES[part - 1] for part, _, _ in sample.parts}
        assert all(mask[int(y), int(x)] for _, x, y in sample.parts)
        assert not {"left eye", "left wing"} & names or not {"right eye", "right wing"} & names
        seen.update(names)
    assert set(seen) == set(PART_NAMES)
    assert min(seen[name] for name in ("back", "belly", "breast", "crown", "throat", "left leg", "right leg")) > 50
    assert seen["left eye"] > 15
    assert seen["right eye"] > 15


def test_key_points_hit_their_regions() -> None:
    for seed, bird in enumerate(species(LIMIT)):
        posed = pose_bird(bird, random_pose(np.random.default_rng(seed)), 96)
        index = regions(posed, 96)
        for name, near in (("breast", "breast"), ("belly", "belly"), ("back", "back"), ("wing", "wing"), ("beak", "bill")):
            x, y = (int(v * SUPER) for v in posed.keypoints[name])
            if 0 <= x < 96 * SUPER and 0 <= y < 96 * SUPER:
                assert index[y, x] in {i for region, i in ID.items() if region.startswith(near)}, (bird.name, name)


def test_mask_is_where_the_bird_covers_more_than_half_a_pixel() -> None:
    free = 0
    for seed, bird in enumerate(species(40)):
        picture = paint(bird, "sky", *generators(seed), 64)
        index = regions(pose_bird(bird, random_pose(np.random.default_rng([seed, 0])), 64), 64)
        expected = (index > 0).reshape(64, SUPER, 64, SUPER).mean((1, 3)) > 0.5
        assert not (picture.mask & ~expected).any()
        hidden = (expected & ~picture.mask).sum()  # behind a leaf
        assert hidden < 0.25 * expected.sum()
        free += hidden == 0
    assert 30 <= free < 40


def test_mirrored_pose_mirrors_the_key_points() -> None:
    settings = {"tilt": 0.0, "plump": 1.0, "head": 1.1, "area": 0.3, "place": (0.5, 0.5)}
    joints = {"body": -5.0, "head": 3.0, "tail": 10.0, "wing": 2.0, "leg": 1.0}
    right, left = (pose_bird(species(1)[0], Pose(left=side, joints=joints, **settings), 80) for side in (False, True))
    for name, (x, y) in right.keypoints.items():
        assert left.keypoints[name] == pytest.approx((80 - x, y))
    assert right.keypoints["beak"][0] > right.keypoints["tail"][0]


@pytest.mark.parametrize("part", ["back", "belly", "breast", "wing"])
def test_a_one_part_difference_shows_in_that_part_alone(part: str) -> None:
    pairs = [(a, b) for a, b in itertools.combinations(species(LIMIT), 2) if differing(a, b) == {part}]
    assert pairs
    for seed, (a, b) in enumerate(pairs):
        pictures = [paint(bird, "bark", *generators(seed), 80) for bird in (a, b)]
        pose = random_pose(np.random.default_rng([seed, 0]))
        here = [np.char.startswith(np.array(list(ID))[regions(pose_bird(bird, pose, 80), 80)], part) for bird in (a, b)]
        touched = (here[0] | here[1]).reshape(80, SUPER, 80, SUPER).any((1, 3))
        changed = (pictures[0].image != pictures[1].image).any(2)
        assert not (changed & ~touched).any()
        assert changed.sum() > 0.4 * touched.sum()
        assert (pictures[0].mask == pictures[1].mask).all()


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_same_seed_same_bytes(made: Path, tmp_path: Path) -> None:
    assert contents(make(tmp_path / "again", **SMALL)) == contents(made)
    other = contents(make(tmp_path / "other", **SMALL, seed=1))
    same = [name for name, data in contents(made).items() if other[name] == data and name.endswith(".jpg")]
    assert same == []


def test_more_classes_and_images_leave_the_others_as_they_are(made: Path, tmp_path: Path) -> None:
    larger = contents(make(tmp_path / "larger", **{**SMALL, "classes": 6, "per_class": 9}))
    pictures = {name: data for name, data in contents(made).items() if name.startswith(("images/", "segmentations/"))}
    assert pictures.items() <= larger.items()


def test_background_leaves_the_birds_as_they_are(made: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "own", **{**SMALL, "background": 1.0})
    for table in ("bounding_boxes.txt", "parts/part_locs.txt", "images.txt"):
        assert (other / table).read_bytes() == (made / table).read_bytes()
    assert (other / "backgrounds.txt").read_bytes() != (made / "backgrounds.txt").read_bytes()


@pytest.mark.parametrize("background", [0.0, 0.6, 1.0])
def test_background_family_follows_the_class_as_often_as_asked(background: float) -> None:
    counts = {"classes": 10, "per_class": 150, "test_per_class": 50, "seed": 3}
    settings = {"kind": "species", **counts, "background": background}
    rows = list(synthbirds._rows(settings))
    families = list(FAMILIES)
    expected = background + (1 - background) / len(families)
    for train in (True, False):
        hits = [row.family == families[row.label % len(families)] for row in rows if row.train == train]
        tolerance = 4 * (expected * (1 - expected) / len(hits)) ** 0.5
        assert np.mean(hits) == pytest.approx(expected, abs=tolerance + 1e-12)
    if background == 0:
        assert set(Counter(row.family for row in rows)) == set(FAMILIES)


def test_families_differ_in_look() -> None:
    pictures = {f: paint(species(1)[0], f, *generators(0), 64).image.astype(float) for f in FAMILIES}
    for a, b in itertools.combinations(FAMILIES, 2):
        assert np.abs(pictures[a] - pictures[b]).mean() > 5


def test_existing_set_is_taken_or_refused(made: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}
    assert make(made, **SMALL) == made
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before
    with pytest.raises(UsageError, match="size 64 instead of 96"):
        make(made, **{**SMALL, "size": 96})
    (tmp_path / "foreign.txt").write_text("mine")
    with pytest.raises(UsageError, match="synthbirds.json"):
        make(tmp_path, **SMALL)
    assert (tmp_path / "foreign.txt").read_text() == "mine"


def test_interrupted_make_leaves_nothing(tmp_path: Path) -> None:
    calls = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "set", classes=2, per_class=2, test_per_class=1, size=32, progress=progress)
    assert calls == [(1, 6), (2, 6), (3, 6)]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "set").mkdir()
    make(tmp_path / "set", classes=2, per_class=2, test_per_class=1, size=32)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("classes", 1), ("classes", LIMIT + 1), ("per_class", 0), ("size", 16), ("background", 1.5), ("seed", -1)],
)
def test_parameters_out_of_range_are_named(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"expected {name} from"):
        make(tmp_path / "set", **{name: value})
    assert not (tmp_path / "set").exists()


def test_a_changed_drawing_needs_a_new_number() -> None:
    """Poses and key points are plain arithmetic: these digits change only with the drawing, and DRAWING with them."""
    bird: Species = species(7)[6]
    points = pose_bird(bird, random_pose(np.random.default_rng(0)), 96).keypoints
    rounded = {name: (round(x, 1), round(y, 1)) for name, (x, y) in points.items()}
    assert synthbirds.DRAWING == {"species": 1, "binary": 2, "multilabel": 1}
    assert {name: rounded[name] for name in ("beak", "belly", "tail")} == {
        "beak": (74.2, 38.4),
        "belly": (52.6, 67.3),
        "tail": (27.9, 63.5),
    }
