"""Addresses of servers, checked before anything is loaded or computed."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
# Who has no answer by then has none.
_CONNECT_S = 5


def check_address(address: str) -> str:
    """Return the address of a server, such as ``http://gpu-box:1527``, made complete.

    Raises
    ------
    ValueError
        If it is none.
    """
    address = address.strip()
    if "://" not in address:
        address = f"http://{address}"
    try:
        parts = urlsplit(address)
        named = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError(
            f"{address!r} is no address of a server: give one such as "
            "http://gpu-box:1527"
        )
    return address.rstrip("/")


def check_answers(address: str) -> None:
    """Check that something answers at an address.

    Raises
    ------
    ValueError
        If it is no address.
    OSError
        If nothing does.
    """
    address = check_address(address)
    parts = urlsplit(address)
    place = parts.hostname, parts.port or _PORTS[parts.scheme]
    try:
        socket.create_connection(place, timeout=_CONNECT_S).close()
    except OSError as error:
        raise OSError(
            f"no server answers at {address}: start it, or correct the address"
        ) from error
