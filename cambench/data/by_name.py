"""Classes by name: a split as a network numbers its classes, which was trained on the same names or on some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from cambench.data import wordnet
from cambench.data.class_sets import ALL, one_set
from cambench.lookup import canonical
from cambench.vocabulary import Dataset, Sample, UsageError, listed

CLASSES = "classes.csv"
BY_CLASS = ("classes", "sbd")
"""Kinds of segmentation whose files hold numbers of classes: they fit only the data set's own order."""


def in_order_of(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The images of the classes that both have, labelled by their places in `names`, which become the data set's classes.

    A note says how many classes are common, unless all are.
    Raises: UsageError where no class is common, or where masks hold numbers of classes that would be others.
    """
    if tuple(names) == dataset.classes:
        return dataset
    place = {name: i for i, name in enumerate(names)}
    new = {old: place[name] for old, name in enumerate(dataset.classes) if name in place}
    moved = any(old != i for old, i in new.items()) or len(new) < len(dataset.classes)
    if moved and dataset.segments in BY_CLASS and any(s.segmentation for s in dataset.samples):
        raise UsageError(
            f"{dataset.name}: expected the classes in its own order, since its masks hold their numbers, got another; "
            "evaluate a network that was trained on these classes."
        )
    if not new:
        raise UsageError(f"{dataset.name}: expected a class in common, got {differences(dataset.classes, names)}.")
    common = (f"{len(new)} of its {len(dataset.classes)} classes, by name, among the network's {len(names)}",)
    old = {i: o for o, i in new.items()}
    whole = len(old) == len(names)
    sets = {family: [members[old[i]] if i in old else f"{c} alone" for i, c in enumerate(names)]
            for family, members in dataset.class_sets.items()}  # fmt: skip
    return replace(
        dataset,
        classes=tuple(names),
        samples=tuple(s for sample in dataset.samples for s in renumbered(sample, new)),
        attributes=tuple(dataset.attributes[old[i]] for i in range(len(names))) if whole and dataset.attributes else (),
        class_sets={k: one_set(names) if k == ALL else tuple(members) for k, members in sets.items()},
        notes=dataset.notes if set(names) == set(dataset.classes) else (*dataset.notes, *common),
        origin={**dataset.origin, "ordered": list(names)},
        pool=None if dataset.pool is None else in_order_of(dataset.pool, names),
    )


def renumbered(sample: Sample, new: dict[int, int]) -> Iterable[Sample]:
    """The sample with its classes' new numbers; nothing where it shows none of them."""
    right = tuple(sorted(new[label] for label in sample.right if label in new))
    if right:
        yield replace(sample, label=right[0], labels=right if sample.labels else ())


def differences(classes: Sequence[str], names: Sequence[str]) -> str:
    """Which classes only the data set has, and which only the network: in words."""
    ours = [f"only in the data set: {listed(c for c in classes if c not in set(names))}"]
    return "; ".join([*ours, f"only in the network: {listed(n for n in names if n not in set(classes))}"])


def matched(dataset: Dataset, names: Sequence[str], run: str, *, some: bool = False) -> Dataset:
    """The split as a run of the classes `names` numbers them. some: also where only some of the classes are common.

    Raises: UsageError listing the classes that only one of them has.
    """
    if set(dataset.classes) == set(names) or some:
        return in_order_of(dataset, names)
    common = len(set(dataset.classes) & set(names))
    mend = f"--map-classes takes those in common, by name ({common})" if common else "choose other data"
    raise UsageError(
        f"{run} on {dataset.name}: expected its {len(names)} classes, got others: {differences(dataset.classes, names)}; "
        f"{mend}."
    )


def named_as(dataset: Dataset, names: Sequence[str], *, some: bool = False) -> Dataset:
    """The split as a given network numbers its classes, whose outputs have names, where each class is called as one of them.

    The classes keep their own names (`spellings`). some: also where only some are known. Else the split is as it was.
    """
    outputs = spellings(names)
    known = {outputs[spelled(name)]: name for name in dataset.classes if spelled(name) in outputs}
    if not known or (len(known) < len(dataset.classes) and not some):
        return dataset
    others = (name if outputs.get(spelled(name)) == k else f"{name} {k}" for k, name in enumerate(names))
    return in_order_of(dataset, [known.get(k, other) for k, other in enumerate(others)])


def in_own_order(dataset: Dataset) -> bool:
    """Whether nothing says which class is which output of a network: a folder whose classes are sorted by name."""
    return dataset.kind == "folder" and not (dataset.root / CLASSES).exists()


def spelled(name: str) -> str:
    """A name without what tells folders from sentences: `Great_white shark` is `great-white-shark`."""
    return canonical(name).replace(" ", "-")


def spellings(names: Sequence[str]) -> Mapping[str, int]:
    """What means one output of a network alone -> its place: its name, else one of the synonyms between the name's commas.

    The 1,000 of ImageNet, which begin with the tench, have WordNet's ids as well.
    """
    wholes = [(spelled(name), k) for k, name in enumerate(names)]
    parts = [(spelled(part), k) for k, name in enumerate(names) for part in name.split(",")]
    imagenet = len(names) == len(wordnet.classes()) and ("tench", 0) in parts
    ids = zip(wordnet.classes(), range(len(names)), strict=True) if imagenet else ()
    return {**dict(alone([*parts, *ids])), **dict(alone(wholes))}


def alone(spellings: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Those that mean one output and no other."""
    places: dict[str, set[int]] = {}
    for spelling, k in spellings:
        places.setdefault(spelling, set()).add(k)
    return ((spelling, min(where)) for spelling, where in places.items() if len(where) == 1)


def wrong_count(dataset: Dataset, outputs: int, network: str, names: Sequence[str] = ()) -> UsageError:
    """The error for a given network with another number of outputs than there are classes.

    names: of its outputs, where they are known.
    """
    path, count = dataset.root / CLASSES, len(dataset.classes)
    known = spellings(names)
    unknown = [name for name in dataset.classes if spelled(name) not in known]
    mend = "choose the data set that it was trained on, or another network"
    if len(unknown) < count:
        mend = f"none of its outputs is called {listed(unknown)}: --map-classes takes the other {count - len(unknown)}"
    elif dataset.kind == "folder" and outputs > count:
        if path.exists():
            header = path.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
            unused = {"index": str(outputs - 1), "name": f"class {outputs - 1}"}
            row = ",".join(unused.get(column.strip().lower(), "unused") for column in header)
            mend = f"add the row `{row}` to {path}"
        else:
            folder = dataset.classes[dataset.samples[0].label]
            mend = (
                f"write {path}: the header `index,folder`, then a row a folder with the number of its output, such as "
                f"`0,{folder}`, and the row `{outputs - 1},unused` unless that output has a folder"
            )
    expected = f"{outputs} classes, one an output of the network"
    return UsageError(f"{network} on {dataset.name}: expected {expected}, got {count}; {mend}.")
