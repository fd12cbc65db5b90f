"""A wrong wall clock for a whole running product: PostgreSQL, Redis and every process of ours (`machine_clock.c`)."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_suffix(".c")


class MachineClock:
    """What a product is to be started with, and by how much its clock is wrong, in seconds."""

    def __init__(self, folder: Path) -> None:
        """Raises RuntimeError with the reason when the library cannot be made."""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise RuntimeError("there is no C compiler to make the library with that sets the clock")
        folder.mkdir(parents=True, exist_ok=True)
        self._library, self._file = folder / "machine_clock.so", folder / "offset"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl", "-lpthread"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"the library that sets the clock could not be made: {made.stderr.strip()}")
        self._file.write_bytes(struct.pack("=q", 0))
        # PostgreSQL runs as a user of its own.
        for path, mode in ((folder, 0o755), (self._library, 0o755), (self._file, 0o644)):
            path.chmod(mode)
        self.offset_s = 0.0

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "FRESHET_CHAOS_CLOCK": str(self._file)}

    def jump(self, by_s: float) -> None:
        """Everybody's clock, from one instant to the next."""
        self.offset_s += by_s
        # In place: the file is in everybody's memory.
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", int(self.offset_s * 1e9)))
