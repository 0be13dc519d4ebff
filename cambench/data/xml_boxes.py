"""PASCAL VOC's XML files of boxes, one an image, as ImageNet has them too."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from cambench.data import readers
from cambench.vocabulary import Box, BoxConvention

Size = tuple[int, int]
Objects = list[tuple[str, Box, bool]]
"""Name (of ImageNet a wnid), box, whether it is flagged difficult."""


def root_of(path: Path) -> ElementTree.Element:
    """The outermost element of an XML file. Raises: DataError naming the line that is not XML."""
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as e:
        raise readers.broken(f"{path}:{e.position[0]}", "XML", e) from e
    except (LookupError, ValueError) as e:  # of the encoding that it names
        raise readers.broken(f"{path}:1", "XML", e) from e


def objects(path: Path, convention: BoxConvention = "inclusive") -> tuple[Size, Objects]:
    """One annotation: size (width, height) and (name, box, difficult) of every object, in file order."""
    return objects_of(root_of(path), path, convention)


def objects_of(tree: ElementTree.Element, path: Path, convention: BoxConvention) -> tuple[Size, Objects]:
    """`objects` of a file that is read."""
    size = whole(tree, "size/width", path), whole(tree, "size/height", path)
    listed: Objects = []
    for item in tree.iter("object"):
        corners = [number(item, f"bndbox/{c}", path) for c in ("xmin", "ymin", "xmax", "ymax")]
        box = readers.box_of(corners, path, convention)
        difficult = (item.findtext("difficult") or "0").strip() == "1"
        listed.append(((item.findtext("name") or "").strip(), box, difficult))
    return size, listed


def whole(tree: ElementTree.Element, tag: str, path: Path) -> int:
    """A whole number of an annotation."""
    text = tree.findtext(tag)
    try:
        return int(text or "")
    except ValueError:
        raise readers.broken(path, f"a whole number in {tag}", repr(text)) from None


def number(tree: ElementTree.Element, tag: str, path: Path) -> float:
    """A finite number of an annotation, an int where it is written as one; some tools write corners with decimals."""
    text = tree.findtext(tag)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise readers.broken(path, f"a number in {tag}", repr(text))
    return value if "." in (text or "") or "e" in (text or "").lower() else int(text or "")
