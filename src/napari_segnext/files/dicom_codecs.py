"""Compressed grey pixels of DICOM unpacked by imagecodecs, where pydicom cannot.

Among them is JPEG Lossless, which most archives send. It is made a plugin of pydicom's
decoders, which come before it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import imagecodecs
from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

_JPEG_2000 = (uid.JPEG2000, uid.JPEG2000Lossless)
_SYNTAXES = (
    *(uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit),
    *(uid.JPEGLossless, uid.JPEGLosslessSV1),
    *_JPEG_2000,
)
# What pydicom asks a plugin for.
DECODER_DEPENDENCIES = dict.fromkeys(_SYNTAXES, ("imagecodecs",))


@cache
def register() -> None:
    """Make pydicom know of this decoder."""
    for syntax in _SYNTAXES:
        get_decoder(syntax).add_plugin("imagecodecs", (__name__, "decode"))


def is_available(syntax: str) -> bool:
    """Tell pydicom whether what the decoder of a syntax needs is installed."""
    return syntax in _SYNTAXES


def decode(source: bytes, runner: DecodeRunner) -> bytearray:
    """Return the pixels of a frame, as pydicom asks its plugins for them.

    Raises
    ------
    NotImplementedError
        If the frame has colours.
    """
    if runner.samples_per_pixel != 1:
        raise NotImplementedError("colours are left to pydicom")
    two_thousand = runner.transfer_syntax in _JPEG_2000
    unpack = imagecodecs.jpeg2k_decode if two_thousand else imagecodecs.jpeg_decode
    pixels = unpack(source)
    runner.set_option("bits_allocated", 8 * pixels.itemsize)
    return bytearray(pixels.tobytes())
