"""A network of the storm's own, in which connections to a port can be cut without ending anybody.

What a stopped process cannot show: one that lives, follows the log and reports, and that those who ask it do not reach. Packets are
dropped, not refused, as by a switch that died.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

_CLONE_NEWNET: Final = 0x40000000
_TABLE: Final = "freshet_chaos"


def leave_for_own() -> None:
    """Moves this process, before it has threads, and all that it will start to a network namespace with nothing but a loopback.

    Raises RuntimeError with the reason where that is not allowed or nft is missing.
    """
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if os.geteuid() != 0 or nft is None:
        raise RuntimeError("it takes root" if nft is not None else "there is no nft (Debian's package nftables)")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise RuntimeError(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
    for command in (["ip", "link", "set", "lo", "up"], [nft, "add", "table", "inet", _TABLE]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


@contextlib.contextmanager
def cut_off(port: int) -> Iterator[None]:
    """No packet reaches the TCP port, nor comes from it, within the block."""
    rules = (
        f"add chain inet {_TABLE} cut {{ type filter hook input priority 0; }}",
        f"add rule inet {_TABLE} cut tcp dport {port} drop",
        f"add rule inet {_TABLE} cut tcp sport {port} drop",
    )
    subprocess.run(["nft", "-f", "-"], input="\n".join(rules), text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", f"delete chain inet {_TABLE} cut"], check=True)
