"""Where a webhook may go: to a public address, looked up once and then connected to, so that no second look-up can lead elsewhere."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from webapp.core.errors import Invalid

MAX_URL = 500
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedAddress(Exception):
    """The URL leads to where a webhook must not go, or nowhere."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL and the address its host has. `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str
    ip: str


def check_url(url: str) -> SplitResult:
    """The parts of a URL that may be a webhook's. Raises `Invalid`."""
    rule = f"must be an http:// or https:// URL of at most {MAX_URL} characters, without a user name"
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid.field("address", rule, repr(url[:80])) from None
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or not plain:
        raise Invalid.field("address", rule, repr(url[:80]))
    if len(url) > MAX_URL or not port_is_fine:
        raise Invalid.field("address", rule, repr(url[:80]))
    return parts


def resolve(url: str, *, may_be_private: bool) -> Target:
    """The URL with the address to connect to. Raises `Invalid` for a URL that is none, `RefusedAddress`."""
    parts = check_url(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RefusedAddress(f"the host {host!r} has no address ({error})") from error
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not may_be_private:
        for address in addresses:
            # any inside address among them is enough: which one is connected to must not be a matter of luck
            if not is_public(address):
                raise RefusedAddress(
                    f"{host} leads to {address}, which is not a public address; FRESHET_WEBHOOKS_TO_PRIVATE=true allows it"
                )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, addresses[0])


def is_public(address: str) -> bool:
    """Whether anybody on the internet could connect to it; an address inside another (mapped, 6to4, NAT64) is looked at too."""
    parsed = ipaddress.ip_address(address)
    return all(one.is_global and not one.is_multicast for one in (parsed, *_inside(parsed)))


def _inside(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address] = [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
    if address.teredo is not None:
        found += address.teredo
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(address.packed[-4:]))
    return found
