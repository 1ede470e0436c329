"""Names what a file is when it is not a picture we accept, so that the refusal can say it."""

from __future__ import annotations

from itertools import pairwise

_HEAD = 4096  # bytes looked at; every signature and the root tag of an SVG lie within

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_FOREIGN = (
    (b"%PDF-", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x00\x0cjP  \r\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL \r\n", "a JPEG XL picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska video"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
)
# Brands of the ISO base media file format (ISO/IEC 14496-12), which HEIF, AVIF and MP4 share.
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def accepted_signature(data: bytes) -> str | None:
    """Gives the accepted format whose signature a file carries, or None.

    A signature is no proof: only decoding tells whether the file is a picture.
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM") and not _looks_like_text(data):
        return "BMP"
    return None


def describe(data: bytes) -> str:
    """Says in words what a file that is not accepted seems to be, such as "an SVG drawing"."""
    head = data[:_HEAD]
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[:4] == b"RIFF":
        return {b"AVI ": "an AVI video", b"WAVE": "a WAV file"}.get(head[8:12], "a RIFF file")
    for signature, name in _FOREIGN:
        if head.startswith(signature):
            return name
    if _looks_like_text(data):
        return _text(head)
    return "no picture that we know"


def _iso_media(head: bytes) -> str:
    brands = {head[8:12], *(head[a:b] for a, b in pairwise(range(16, 64, 4)))}
    if brands & _AVIF_BRANDS:
        return "an AVIF picture"
    if brands & _HEIC_BRANDS:
        return "a HEIC picture, the format of many phones"
    return "a video"


def _looks_like_text(data: bytes) -> bool:
    head = data[:_HEAD]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 with its byte order mark
        return True
    printable = sum(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
    return b"\x00" not in head and printable >= 0.97 * len(head)


def _text(head: bytes) -> str:
    lowered = head.lower()
    if b"<svg" in lowered:
        return "an SVG drawing"
    if b"<html" in lowered or b"<!doctype html" in lowered:
        return "a web page"
    return "a text"
