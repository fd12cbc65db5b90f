"""Write `engine/serving/wire` from `replica.proto`: `python -m engine.serving.generate_wire`.

Needs the development requirements (grpcio-tools, mypy-protobuf). The files are committed, so that running Freshet needs
no compiler of protocol buffers; `tests/engine/serving/test_wire.py` holds them to the source.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SERVING = Path(__file__).parent
GENERATED = ("replica_pb2.py", "replica_pb2.pyi", "replica_pb2_grpc.py", "replica_pb2_grpc.pyi")


def generate(output: Path) -> list[Path]:
    """Write the `GENERATED` files into `output`/engine/serving/wire and answer their paths.

    Raises `RuntimeError` when protoc refuses the source.
    """
    # A process of its own: protoc's and TensorFlow's protocol buffers do not survive in one. It finds the plugins of
    # mypy-protobuf on PATH, where an interpreter called by its path need not have put them.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - our own interpreter on our own source
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-Iengine/serving/wire={SERVING}",
            *(f"--{plugin}_out={output}" for plugin in ("python", "grpc_python", "mypy", "mypy_grpc")),
            "engine/serving/wire/replica.proto",
        ],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"protoc ended with {done.returncode}: {done.stderr.strip()}")
    return [output / "engine" / "serving" / "wire" / name for name in GENERATED]


if __name__ == "__main__":
    generate(SERVING.parent.parent)
