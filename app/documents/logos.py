"""A merchant's logo: whatever picture it was, it leaves as a small PNG of ours, or not at all."""

import struct
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from app.core.errors import Invalid

MAX_UPLOAD_BYTES = 512 * 1024
MAX_LOGO_BYTES = 96 * 1024
"""A page and its fonts take 50 kB; a logo should not weigh much more."""

_MAX_PIXELS = 16_000_000  # decoded, that is 64 MB
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
"""The formats we take, and what a whole file of each has in it."""
_BOXES = ((800, 240), (480, 144), (300, 90), (180, 54))
"""What a logo has to fit in, in pixels: the first in which it is light enough."""

_UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
)
"""What Pillow raises over a picture that is none, is damaged, or would fill the memory."""


class InvalidLogo(Invalid):
    """Not a picture that can stand on a document: of another kind, too large, or damaged."""

    code = "invalid_logo"


def clean_logo(upload: bytes, *, path: str = "logo") -> bytes:
    """Draw a PNG or JPEG anew, small and without anything but its pixels.

    The same upload gives the same bytes, at most MAX_LOGO_BYTES. Raises InvalidLogo, naming
    `path`: an SVG is a program, and no such thing is kept.
    """
    if len(upload) > MAX_UPLOAD_BYTES:
        raise InvalidLogo(f"must not exceed {MAX_UPLOAD_BYTES // 1024} kB", path=path)
    try:
        with Image.open(BytesIO(upload), formats=tuple(_ENDS)) as picture:
            if picture.width * picture.height > _MAX_PIXELS:  # known before anything is decoded
                raise InvalidLogo("has too many pixels", path=path)
            # Pillow would not mind half a file: WeasyPrint tells it so, for the whole process.
            if _ENDS[str(picture.format)] not in upload:
                raise InvalidLogo("is not whole", path=path)
            upright = ImageOps.exif_transpose(picture)
            pixels = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except _UNREADABLE as error:
        raise InvalidLogo("must be a PNG or JPEG picture that is whole", path=path) from error
    for box in _BOXES:
        png = _drawn(pixels, box)
        if len(png) <= MAX_LOGO_BYTES:
            break
    return png


def _drawn(pixels: Image.Image, box: tuple[int, int]) -> bytes:
    fitted = pixels.copy()
    fitted.thumbnail(box)
    fitted.info.clear()  # texts and profiles of the original would be written along
    file = BytesIO()
    fitted.save(file, "PNG", optimize=True)
    return file.getvalue()
