"""Files to pixels: every colour mode, the banner, masks, and errors that name the file."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import picture
from PIL import Image

from cambench.data.decode import image_size, load_image, pixels
from cambench.vocabulary import DataError

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)


def palette() -> Image.Image:
    """A palette image with a transparent entry given in bytes."""
    image = Image.fromarray(np.stack([GREY] * 3, 2)).quantize(24, kmeans=3)
    image.info["transparency"] = bytes([0, 255])
    return image


@pytest.mark.parametrize(
    ("name", "image", "wanted"),
    [
        ("grey.png", Image.fromarray(GREY), GREY),
        ("bits.png", Image.fromarray(GREY > 100), (GREY > 100) * 255),
        ("deep.png", Image.fromarray(GREY.astype(np.uint16) * 256 + 17), GREY),
        ("alpha.png", Image.fromarray(np.dstack([GREY, GREY, GREY, GREY])), GREY),
        ("grey-alpha.png", Image.fromarray(np.dstack([GREY, GREY]), "LA"), GREY),
        ("palette.png", palette(), GREY),
        ("print.tif", Image.fromarray(np.dstack([255 - GREY] * 3 + [np.zeros_like(GREY)]), "CMYK"), GREY),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, name: str, image: Image.Image, wanted: np.ndarray) -> None:
    image.save(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pixels(tmp_path / name)
    assert found.dtype == np.uint8 and found.shape == (4, 6, 3)
    assert np.abs(found.astype(int) - wanted[..., None]).max() <= 1


def test_the_banner_is_cut_off_and_not_counted(tmp_path: Path) -> None:
    path = picture(tmp_path / "x.png", (40, 30))
    assert image_size(path) == (40, 30) and image_size(path, 20) == (40, 10)
    assert load_image(path, 20).size == (40, 10)
    assert np.array_equal(pixels(path, 20), pixels(path)[:10])
    with pytest.raises(DataError, match=r"x.png: expected a readable image, got: 30 rows"):
        load_image(path, 30)


def test_an_orientation_tag_is_ignored(tmp_path: Path) -> None:
    image = Image.fromarray(np.stack([GREY] * 3, 2))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    assert pixels(tmp_path / "turned.png").shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([[0, 256, 32768, 65407, 65535]], np.uint16), [0, 1, 128, 255, 255]),
        (np.array([[0, 256, 32768, 65407, 65535]], np.int32), [0, 1, 128, 255, 255]),
        (np.array([[0, 0.002, 0.5, 0.998, 1]], np.float32), [0, 1, 128, 254, 255]),
    ],
)
def test_deep_grey_is_scaled_to_the_whole_range(tmp_path: Path, values: np.ndarray, wanted: list[int]) -> None:
    """v/257 of 16 bits, 255·v of floating-point numbers: white is white, and nothing that is not black becomes black."""
    Image.fromarray(values).save(tmp_path / "x.tiff")
    assert pixels(tmp_path / "x.tiff")[0].tolist() == [[v] * 3 for v in wanted]


@pytest.mark.parametrize("values", [np.array([[0, 200.0]], np.float32), np.array([[-1, 70000]], np.int32),
                                    np.array([[0, np.nan]], np.float32)], ids=["bytes", "deeper", "nan"])  # fmt: skip
def test_deep_grey_of_no_known_range_is_an_error(tmp_path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / "x.tiff")
    with pytest.raises(DataError, match="x.tiff: expected a readable image, got: .* values from .* lie in 0 to "):
        load_image(tmp_path / "x.tiff")


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "truncated", "huge"])
def test_unreadable_files_are_named(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "x.jpg", (64, 64))
    if damage == "missing":
        path.unlink()
    elif damage == "huge":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    else:
        path.write_bytes({"empty": b"", "text": b"no image\n"}.get(damage, path.read_bytes()[:-300]))
    with pytest.raises(DataError, match=r"x.jpg: expected a readable image, got: ") as caught:
        load_image(path)
    assert "\n" not in str(caught.value)
