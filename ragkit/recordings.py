"""Recorded answers of a language model, by the full prompt that each answers.

recordings.jsonl beside a collection holds answers by question and task, readings.jsonl those to prompts
that hold documents; neither has prices. What was asked of a live model has another form, one for the
cache and for what `record` writes: a line an answer (`Answer`), under the hash of its prompt. A prompt
that holds documents, which may be somebody else's, is never stored.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ragkit import formats
from ragkit.types import RagkitError, Unavailable, Usage

READINGS = "readings.jsonl"
VARIATIONS = 4  # wordings that multi_query was always asked for
QUESTION = 200  # characters of a prompt's last line that are kept, for a person who reads the file


def read(folder: Path) -> dict[str, str]:
    """prompt -> answer, of all questions, rewordings and messages of a collection.

    recordings.jsonl holds a line for each of them with an answer for each task; prompts.json the
    template of each task. Raises Unavailable where one is missing; RagkitError where one names what the
    other lacks.
    """
    path, templates_path = folder / "recordings.jsonl", folder / "prompts.json"
    for file in (path, templates_path):
        if not file.is_file():
            raise Unavailable(
                f"needs recorded answers of a language model: expected {file.name} in {folder}, as larkfield "
                "and pydocs have it; or name a live model (-p llm=...)"
            )
    templates = json.loads(formats.decoded(templates_path, formats.raise_it))
    texts = _texts(folder)
    found: dict[str, str] = {}
    for number, line in _lines(path):
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
            found[prompt] = answer if isinstance(answer, str) else "\n".join(answer)
    return found


@dataclass(frozen=True)
class Reading:
    """The answer to a question that was asked of some documents."""

    query_id: str
    context: str  # how the documents were chosen: "top 5", "judged", "16k middle", ...
    documents: tuple[str, ...]  # doc_ids in the order in which the prompt holds them
    prompt: str  # SHA-256 of the whole prompt, 64 hex digits
    answer: str
    read: str = ""  # what a person or model that compared it with the accepted answers called it


def readings(folder: Path) -> list[Reading]:
    """The recorded answers to prompts that hold documents, none where there is no readings.jsonl.

    A line holds the documents of a prompt, and the answers of all the questions that were asked of them.
    Raises RagkitError for a line that has another form.
    """
    path = folder / READINGS
    if not path.is_file():
        return []
    found = []
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            found += [Reading(documents=tuple(row["documents"]), **given) for given in row["answers"]]
        except (ValueError, KeyError, TypeError) as error:
            raise RagkitError(
                f"{path}, line {number}: found {error!r}; expected a JSON object with documents and answers, "
                "each answer with query_id, context, prompt and answer"
            ) from None
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered from 1, none of them blank; cut at \\n alone, for an answer may hold U+2028."""
    lines = formats.decoded(path, formats.raise_it).split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def hash_of(prompt: str) -> str:
    """SHA-256 of a prompt, 64 hex digits: what stands for one that holds documents."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def _texts(folder: Path) -> dict[str, str]:
    files = [folder / f"{name}.jsonl" for name in ("queries", "variants", "messages")]
    lines = [formats.read_lines(file, formats.raise_it) for file in files if file.is_file()]
    return {query_id: line.text for part in lines for query_id, line in part.items()}


# --- answers of live models -------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a model answered, and what it used: tokens as it counts them, dollars, seconds of waiting.

    dollars is None where the price was not known.
    """

    key: str
    model: str  # as models.llm names it: cohere:command-a-03-2025
    parameters: Mapping[str, Any]  # that the answer depends on: temperature, max_tokens
    question: str  # the end of the prompt
    answer: str
    tokens_in: int
    tokens_out: int
    dollars: float | None
    seconds: float

    @property
    def usage(self) -> Usage:
        """One call, as the meter counts it; dollars are NaN where the price was not known."""
        dollars = math.nan if self.dollars is None else self.dollars
        return Usage(1, self.tokens_in, self.tokens_out, dollars, self.seconds)


def key_of(model: str, parameters: Mapping[str, Any], prompt: str) -> str:
    """SHA-256 of model, parameters and the full prompt, as 64 hex digits."""
    text = json.dumps([model, parameters, prompt], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def question_of(prompt: str) -> str:
    """The last line of a prompt, 200 characters at most."""
    return (prompt.strip().splitlines() or [""])[-1][:QUESTION]


def model_of(llm: str) -> str:
    """The bare name of a live model: of cohere:<model>, openai:<model>@<base-url>, hf:<folder>/<model>."""
    how, _, model = llm.partition(":")
    if how == "openai":
        return re.sub(r"@\w+://.*", "", model)
    return Path(model).name if how == "hf" else model


def file_name(kind: str, model: str) -> str:
    """answers-<model>.jsonl or recordings-<model>.jsonl, in letters that every file system takes."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9@.-]', '_', model)}.jsonl"


def file_of(folder: Path, llm: str) -> Path | None:
    """The file that "recorded" or "recorded:<model>" replays, which must be there; None for a live model."""
    how, _, model = llm.partition(":")
    if how != "recorded":
        return None
    return folder / (file_name("recordings", model) if model else "recordings.jsonl")


def line_of(answer: Answer) -> str:
    return json.dumps(asdict(answer), ensure_ascii=False) + "\n"


def parse(line: str, where: str) -> Answer:
    """The answer in a line of a file; `where` (file and line) is what the error begins with."""
    try:
        answer = Answer(**json.loads(line))
        if not all(isinstance(text, str) for text in (answer.key, answer.model, answer.answer)):
            raise TypeError
    except (TypeError, ValueError):
        raise RagkitError(
            f"{where}: not an answer of a model: expected a JSON object with "
            f"{', '.join(field.name for field in fields(Answer))}; remove the line, and it is asked again"
        ) from None
    return answer


def read_answers(path: Path) -> dict[str, Answer]:
    """key -> answer. Raises RagkitError for a line that is none."""
    found = (parse(line, f"{path}, line {number}") for number, line in _lines(path))
    return {answer.key: answer for answer in found}


def merge(path: Path, answers: Iterable[Answer]) -> tuple[int, int]:
    """Write answers into a file of recordings, sorted by key; returns how many it holds, how many are new.

    An answer to the same prompt that stands there already gives way.
    """
    before = read_answers(path) if path.is_file() else {}
    after = before | {answer.key: answer for answer in answers}
    path.with_suffix(".new").write_text("".join(line_of(after[key]) for key in sorted(after)), "utf-8")
    path.with_suffix(".new").replace(path)
    return len(after), len(after.keys() - before.keys())
