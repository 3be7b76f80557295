"""An image file to pixels, the one way for training and prediction, whatever the file is."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
from PIL import Image, ImageFile
from torch import Tensor

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]

# EXIF's orientation: how a camera was held, by the numbers of TIFF 6.0.
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)

# Pillow's names of the formats that are read. Formats that Pillow hands to another program, such as EPS, are left out.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")

# No photograph is larger, but a hostile or broken file may be; it is read whole.
_MOST_BYTES = 512 * 2**20

# Pillow's modes of one channel of 16 bits, which it also calls 32.
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class ImageError(OSError):
    """A file has no image to give; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that was read.

    Attributes:
        pixels: of each size, uint8, shape ``(3, height, width)``, red, green and blue.
        flaw: the problem with the file, if something could be read in spite of it; else empty.
    """

    pixels: tuple[Tensor, ...]
    flaw: str = ""


def read_image(path: Path, sizes: Sequence[Size]) -> Picture:
    """Decode an image once, turn it upright and scale it to each of ``sizes``.

    libjpeg-turbo decodes a JPEG at the smallest of eight scales that is large enough, which
    is several times faster on the competition's photographs than decoding them whole. Everything else is
    Pillow's: CMYK, 16 bits (of which the upper eight count), palettes, alpha (left away), of an animation
    the first picture. A truncated file yields the rows that it has, and a flaw that says so.

    Args:
        path: the file.
        sizes: (height, width) of each result.

    Raises:
        ImageError: the file is missing, or not an image.
    """
    try:
        # Reading a pipe would wait for ever.
        if not path.is_file() and path.exists():
            raise ImageError(f"{path.name}: not a file")
        if path.stat().st_size > _MOST_BYTES:
            raise ImageError(f"{path.name}: larger than any photograph")
        data = path.read_bytes()
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(f"{path.name}: {getattr(error, 'strerror', None) or error}") from error
    if not data:
        raise ImageError(f"{path.name}: empty")
    try:
        return _decode(data, sizes)
    except Exception as error:
        raise ImageError(f"{path.name}: {_first_line(error)}") from error


def _decode(data: bytes, sizes: Sequence[Size]) -> Picture:
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of large images, which are read all the same, or not.
        warnings.simplefilter("ignore")
        return _decode_quietly(data, sizes)


def _decode_quietly(data: bytes, sizes: Sequence[Size]) -> Picture:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        orientation = _orientation(image)
        # The sizes in the file, before it is turned.
        wanted = [size[::-1] for size in sizes] if orientation in _TURNED else list(sizes)
        largest = max(height for height, _ in wanted), max(width for _, width in wanted)
        is_plain_jpeg = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
        whole, flaw = _decode_jpeg(data, largest) if is_plain_jpeg else _decode_other(image, largest)
    scaled = (_turn(_scale(whole, size), orientation) for size in wanted)
    pixels = (torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))) for pixels in scaled)
    return Picture(pixels=tuple(pixels), flaw=flaw)


def _scale(pixels: Pixels, size: Size) -> Pixels:
    if pixels.shape[:2] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))


def _decode_jpeg(data: bytes, size: Size) -> tuple[Pixels, str]:
    """Decode an image at ``size`` or larger, if it is as large."""
    options: dict[str, Any] = {"colorspace": "RGB", "min_height": size[0], "min_width": size[1]}
    try:
        return simplejpeg.decode_jpeg(data, **options), ""
    except ValueError as error:
        return simplejpeg.decode_jpeg(data, strict=False, **options), _first_line(error)


def _decode_other(image: Image.Image, size: Size) -> tuple[Pixels, str]:
    """Decode an image at its own size, or a JPEG at ``size`` or larger."""
    image.draft(image.mode, size[::-1])
    flaw = ""
    try:
        image.load()
    except OSError as error:
        flaw = _first_line(error)
        with _truncated_allowed():
            image.load()
    if image.mode in _DEEP:
        # Pillow uses no more than 16 of these 32 bits. The array is changed in place, as the image may be large.
        deep = np.array(image, dtype=np.int32)
        upper = (deep.clip(0, 2**16 - 1, out=deep) >> 8).astype(np.uint8)
        return np.asarray(Image.fromarray(upper).convert("RGB")), flaw
    return np.asarray(image.convert("RGB")), flaw


@contextmanager
def _truncated_allowed() -> Iterator[None]:
    """Let Pillow fill the missing part of a file; Pillow has only this global switch."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, if the file has none or an invalid one."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - metadata may be anything, and the image is good without
        return 1


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Turn an image upright; EXIF's numbers say which sides are its first row and first column."""
    if orientation in _TURNED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
