"""Recorded answers of a language model, by the full prompt that each answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ragkit import formats
from ragkit.types import RagkitError

VARIATIONS = 4  # wordings that multi_query was always asked for


@dataclass(frozen=True)
class Recording:
    """An answer, and what it was recorded for."""

    query_id: str
    task: str
    answer: str


def read(folder: Path) -> dict[str, Recording]:
    """prompt -> recording, of all questions, rewordings and messages of a collection.

    recordings.jsonl holds a line for each of them with an answer for each task; prompts.json the
    template of each task. Raises RagkitError where one is missing, or names what the other lacks.
    """
    path, templates_path = folder / "recordings.jsonl", folder / "prompts.json"
    for file in (path, templates_path):
        if not file.is_file():
            raise RagkitError(
                f"{folder} has no recorded answers of a language model: expected {file.name}; "
                "larkfield has them"
            )
    templates = json.loads(formats.decoded(templates_path, formats.raise_it))
    texts = _texts(folder)
    found: dict[str, Recording] = {}
    for number, line in enumerate(formats.decoded(path, formats.raise_it).splitlines(), start=1):
        row = json.loads(line)
        query_id = row.pop("query_id", None)
        unknown = [task for task in row if task not in templates]
        if query_id not in texts or unknown:
            raise RagkitError(
                f"{path}, line {number}: {'task ' + unknown[0] if unknown else 'query ' + repr(query_id)} is "
                f"not known: expected a question of the collection, and tasks of {templates_path.name}"
            )
        for task, answer in row.items():
            prompt = templates[task].format(context=templates["context"], query=texts[query_id], n=VARIATIONS)
            found[prompt] = Recording(
                query_id, task, answer if isinstance(answer, str) else "\n".join(answer)
            )
    return found


def _texts(folder: Path) -> dict[str, str]:
    files = [folder / f"{name}.jsonl" for name in ("queries", "variants", "messages")]
    lines = [formats.read_lines(file, formats.raise_it) for file in files if file.is_file()]
    return {query_id: line.text for part in lines for query_id, line in part.items()}
