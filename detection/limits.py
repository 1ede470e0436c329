"""What the service accepts: one place, read by the server, the edge, the page and the tests."""

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
"""Largest upload in bytes."""

MAX_PIXELS = 50_000_000
"""Largest width x height, checked before decoding, which takes 7 to 16 bytes a pixel."""

MIN_SIDE = 32
"""Shortest side in pixels that a picture must have; no face can be judged in less."""

MAX_ASPECT = 10
"""Largest ratio of the longer to the shorter side; panoramas are about 6."""

MAX_SCANS = 100
"""Most scans of a progressive JPEG; encoders write about 10, and each costs a pass over it all."""

MAX_SCANNED_PIXELS = 1_000_000_000
"""Most pixels of all those passes together: 20 scans of the largest picture, about 2 seconds."""

MAX_FACES = 16
"""Most faces judged in one picture, the largest first."""

CROP_SIZE = 224
"""Side in pixels of the face crops that the nodes exchange: the size of the dfdc training crops."""

SMALL_FACE_SIDE = 64
"""A face whose longer side is shorter than this, in pixels, is judged with a caution."""

LOW_JPEG_QUALITY = 50
"""A JPEG below this quality (the Independent JPEG Group's scale) is judged with a caution."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Accepted formats by the names Pillow gives them; nothing else is ever opened."""

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
"""Media type of each accepted format, for file choosers; the server looks at the bytes alone."""

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP or TIFF"
"""The accepted formats in words."""
