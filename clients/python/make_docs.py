"""`python clients/python/make_docs.py`: writes docs/python-client.md from the docstrings; `--check` says whether it is up to date."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "python-client.md"
sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

import freshet_client  # noqa: E402

HEAD = """# The Python client

Made from the docstrings by `python clients/python/make_docs.py`; how to begin is in [clients/python](../clients/python/README.md).
"""
ORDER = ["Freshet", "EventWriter", "Retrying"]


def text() -> str:
    """The whole page."""
    names = ORDER + sorted(set(freshet_client.__all__) - set(ORDER))
    return "\n".join([HEAD, *(line for name in names for line in _class(name, getattr(freshet_client, name)))])


def _class(name: str, kind: type) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"```python\n{name}{_signature(kind)}\n```\n"
    yield f"{_doc(kind)}\n"
    for member, value in vars(kind).items():
        if member.startswith("_") or member in {"read", "as_json"}:
            continue
        if inspect.isfunction(value):
            yield f"### {name}.{member}\n\n```python\n{member}{_signature(value)}\n```\n\n{_doc(value)}\n"
        elif isinstance(value, property):
            yield f"### {name}.{member}\n\n{_doc(value)}\n"


def _signature(of: object) -> str:
    """As it is written, but for defaults that differ from one run to the next."""
    try:
        signature = inspect.signature(of, eval_str=True)  # type: ignore[arg-type]
    except ValueError:  # an exception without an __init__ of its own
        return "(message)"
    shown = []
    for one in signature.parameters.values():
        if one.name == "self":
            continue
        if one.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        shown.append(_parameter(one))
    answer = signature.return_annotation
    says = inspect.isfunction(of) and answer is not inspect.Signature.empty
    return f"({', '.join(shown)})" + (f" -> {_plain(inspect.formatannotation(answer))}" if says else "")


def _parameter(one: inspect.Parameter) -> str:
    text = _plain(str(one))
    return text.split(" = <", maxsplit=1)[0] + (" = ..." if " = <" in text else "")


def _plain(annotation: str) -> str:
    """Without the modules of names."""
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", annotation)


def _doc(of: object) -> str:
    return inspect.getdoc(of) or ""


def main() -> int:
    """1 when `--check` finds the page out of date."""
    if "--check" in sys.argv[1:]:
        return int(TARGET.read_text() != text())
    TARGET.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
