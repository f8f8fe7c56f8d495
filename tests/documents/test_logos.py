"""A logo leaves as a small PNG of our own drawing; nothing else gets in."""

import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from app.documents.logos import MAX_LOGO_BYTES, MAX_UPLOAD_BYTES, InvalidLogo, clean_logo
from tests.documents.reading import picture

PNG, JPEG = picture(), picture(kind="JPEG")


def opened(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png), formats=["PNG"])


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return len(data).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)


@pytest.mark.parametrize("upload", [PNG, JPEG])
def test_a_png_and_a_jpeg_become_a_png(upload: bytes) -> None:
    logo = opened(clean_logo(upload))

    assert (logo.size, logo.mode) == ((320, 80), "RGB")


def test_the_same_upload_gives_the_same_bytes() -> None:
    assert clean_logo(JPEG) == clean_logo(JPEG)


def test_a_large_logo_is_made_to_fit_and_keeps_its_shape() -> None:
    assert opened(clean_logo(picture((3000, 300)))).size == (800, 80)


def test_noise_is_made_small_until_it_is_light() -> None:
    file = BytesIO()
    Image.effect_noise((1600, 480), 90).convert("RGB").save(file, "JPEG", quality=60)

    assert len(clean_logo(file.getvalue())) <= MAX_LOGO_BYTES


def test_what_is_transparent_stays_so_whatever_its_mode() -> None:
    for mode in ("RGBA", "LA", "P"):
        file = BytesIO()
        options = {"transparency": 0} if mode == "P" else {}
        Image.new(mode, (40, 40)).save(file, "PNG", **options)
        assert opened(clean_logo(file.getvalue())).mode == "RGBA"


def test_nothing_but_the_pixels_gets_in() -> None:
    file = BytesIO()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "<script>alert(1)</script>")
    Image.new("RGB", (40, 40)).save(file, "PNG", pnginfo=notes, icc_profile=b"x" * 200)

    logo = clean_logo(file.getvalue() + b"<?php system('id'); ?>")

    assert b"script" not in logo
    assert b"php" not in logo
    assert opened(logo).info == {}


def test_a_photo_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter

    assert opened(clean_logo(picture((40, 20), kind="JPEG", exif=exif))).size == (20, 40)


@pytest.mark.parametrize(
    "upload",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"GIF89a",
        picture(kind="GIF"),
        picture(kind="WEBP"),
        picture(kind="TIFF"),
        PNG[:60],
        JPEG[: len(JPEG) // 2],
    ],
)
def test_anything_but_a_whole_png_or_jpeg_is_refused(upload: bytes) -> None:
    with pytest.raises(InvalidLogo):
        clean_logo(upload)


def test_a_heavy_upload_is_refused_unread() -> None:
    with pytest.raises(InvalidLogo, match="512 kB"):
        clean_logo(PNG + bytes(MAX_UPLOAD_BYTES))


@pytest.mark.parametrize("side", [5_000, 12_000, 60_000])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(side: int) -> None:
    header = side.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))

    with pytest.raises(InvalidLogo):
        clean_logo(bomb + chunk(b"IEND", b""))


@given(
    at=st.integers(0, len(PNG) - 1), byte=st.integers(0, 255), upload=st.sampled_from([PNG, JPEG])
)
def test_one_wrong_byte_gives_a_logo_or_a_refusal(at: int, byte: int, upload: bytes) -> None:
    at %= len(upload)
    damaged = upload[:at] + bytes([byte]) + upload[at + 1 :]

    try:
        logo = clean_logo(damaged)
    except InvalidLogo:
        return
    assert len(logo) <= MAX_LOGO_BYTES
