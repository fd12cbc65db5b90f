"""A model definition given as a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandError

from engine.spec.definition import ModelDefinition


def add_definition_argument(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--definition", type=Path, metavar="file.json", help="a model definition in place of the default"
    )


def definition_from(options: dict[str, Any]) -> ModelDefinition | None:
    """Raises `InvalidDocument` for a document that breaks its rules, CommandError for a file that is no JSON."""
    path: Path | None = options.get("definition")
    if path is None:
        return None
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise CommandError(f"--definition {path}: {error}") from error
    return ModelDefinition.parse(document)
