"""Image files, whole and broken, to pixels."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from plant_pathology.leaves.images import ImageError, read_image

SIZE = (48, 72)


@pytest.fixture(scope="module")
def leaf(competition: Path) -> Image.Image:
    """A drawn leaf, 120 pixels wide."""
    return Image.open(min((competition / "hidden" / "test_images").iterdir())).convert("RGB")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(folder: Path, data: bytes, size: tuple[int, int] = SIZE) -> torch.Tensor:
    (folder / "image.jpg").write_bytes(data)
    picture = read_image(folder / "image.jpg", [size])
    assert picture.flaw == ""
    assert picture.pixels[0].shape == (3, *size)
    assert picture.pixels[0].dtype == torch.uint8
    return picture.pixels[0]


def difference(one: torch.Tensor, other: torch.Tensor | npt.NDArray[np.uint8]) -> float:
    """Mean of the pixels' differences, from 0 to 255."""
    return float((one.float() - torch.as_tensor(np.asarray(other)).float()).abs().mean())


def scaled(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return an image as Pillow alone decodes it."""
    return np.asarray(image.convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR)).transpose(2, 0, 1)


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": lambda leaf: encoded(leaf, "JPEG", quality=95),
    "progressive JPEG": lambda leaf: encoded(leaf, "JPEG", quality=95, progressive=True),
    "CMYK JPEG": lambda leaf: encoded(leaf.convert("CMYK"), "JPEG", quality=95),
    "PNG named .jpg": lambda leaf: encoded(leaf, "PNG"),
    "PNG with alpha": lambda leaf: encoded(leaf.convert("RGBA"), "PNG"),
    "palette": lambda leaf: encoded(leaf.quantize(256), "PNG"),
    "WebP": lambda leaf: encoded(leaf, "WEBP", quality=95),
    "animated GIF": lambda leaf: encoded(leaf, "GIF", save_all=True, append_images=[ImageOps.invert(leaf)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_picture(kind: str, leaf: Image.Image, tmp_path: Path) -> None:
    assert difference(read(tmp_path, KINDS[kind](leaf)), scaled(leaf)) < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_grey_is_grey_in_every_channel(kind: str, leaf: Image.Image, tmp_path: Path) -> None:
    pixels = read(tmp_path, encoded(leaf.convert("L"), kind))
    assert difference(pixels[0], pixels[1]) == difference(pixels[0], pixels[2]) == 0
    assert difference(pixels, scaled(leaf.convert("L"))) < 4


def test_of_sixteen_bits_the_upper_eight_count(leaf: Image.Image, tmp_path: Path) -> None:
    deep = Image.fromarray(np.asarray(leaf.convert("L")).astype(np.uint16) * 257)
    assert difference(read(tmp_path, encoded(deep, "PNG")), scaled(leaf.convert("L"))) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_turned_camera_is_no_turned_leaf(orientation: int, kind: str, leaf: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(leaf, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert difference(read(tmp_path, data), scaled(upright)) < 6


def test_metadata_that_is_none_does_not_hide_the_image(leaf: Image.Image, tmp_path: Path) -> None:
    data = encoded(leaf, "JPEG", quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff nonsense")
    assert difference(read(tmp_path, data), scaled(leaf)) < 6


def test_one_decoding_serves_several_sizes(leaf: Image.Image, tmp_path: Path) -> None:
    sizes = [SIZE, (16, 24), (30, 20)]
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({}, {"exif": exif}):
        (tmp_path / "image.jpg").write_bytes(encoded(leaf, "JPEG", quality=95, **options))
        together = read_image(tmp_path / "image.jpg", sizes).pixels
        for size, pixels in zip(sizes, together, strict=True):
            assert pixels.shape == (3, *size)
            assert difference(pixels, read_image(tmp_path / "image.jpg", [size]).pixels[0]) < 4


def test_an_image_is_read_the_same_at_any_size(tmp_path: Path) -> None:
    pixels = np.zeros((1200, 1800, 3), np.uint8)
    pixels[:, 900:] = (250, 10, 10)
    large = Image.fromarray(pixels)
    found = read(tmp_path, encoded(large, "JPEG", quality=95))
    assert difference(found, scaled(large)) < 2
    assert difference(found, read(tmp_path, encoded(large.resize((36, 24)), "PNG"))) < 6


def test_a_very_wide_image_is_scaled(tmp_path: Path) -> None:
    assert read(tmp_path, encoded(Image.new("RGB", (30_000, 20), "green"), "JPEG")).float().std(dim=(1, 2)).max() < 1


@pytest.mark.parametrize("kind", ["JPEG", "CMYK JPEG", "PNG named .jpg"])
def test_of_a_truncated_file_what_is_there_is_taken_and_that_is_told(
    kind: str, leaf: Image.Image, tmp_path: Path
) -> None:
    data = KINDS[kind](leaf)
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) * 3 // 4])
    picture = read_image(tmp_path / "cut.jpg", [SIZE])
    assert picture.flaw
    assert difference(picture.pixels[0][:, :12], scaled(leaf)[:, :12]) < 8


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"no image", "cannot identify"),
        ("header.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "Truncated"),
        ("bomb.png", encoded(Image.new("1", (30_000, 30_000)), "PNG"), "exceeds limit"),
        ("missing.jpg", None, "No such file"),
        ("folder.jpg", "folder", "not a file"),
        ("pipe.jpg", "pipe", "not a file"),
    ],
)
def test_what_is_no_image_says_so(name: str, data: bytes | str | None, why: str, tmp_path: Path) -> None:
    if isinstance(data, bytes):
        (tmp_path / name).write_bytes(data)
    elif data == "folder":
        (tmp_path / name).mkdir()
    elif data == "pipe":
        os.mkfifo(tmp_path / name)
    with pytest.raises(ImageError, match=rf"^{name}: .*{why}"):
        read_image(tmp_path / name, [SIZE])


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_is_in_a_file_it_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = Image.fromarray(np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8))
    content = bytearray(encoded(image, data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP"]))))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "any.jpg"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        picture = read_image(path, [SIZE])
    except ImageError:
        return
    assert picture.pixels[0].shape == (3, *SIZE)
