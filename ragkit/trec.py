"""Runs and judgments as TREC files, which trec_eval, ranx, PyTerrier, pyserini and ir_measures read.

A run: `query_id Q0 doc_id rank score tag`, a line a document. Judgments: `query_id 0 doc_id grade`.
Readers order by score, not by the rank, and trec_eval holds scores in float32: what is written here
falls strictly in float32, so that each of them sees our order, ties included. A query without documents
has no line in this form: a reader counts it as 0 only if it knows of it from the judgments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ragkit.types import Qrels, RagkitError, Run, ranking

COLUMNS = ["system", "query_id", "doc_id", "score"]  # that rankings.parquet of a record has, among others
LARGEST = float(np.finfo(np.float32).max)


def write_run(run: Run, path: str | Path, tag: str) -> None:
    """Write a run, each query's documents in the order of `types.ranking`.

    A score that float32 does not hold apart from the one above becomes the next float32 below it.
    Raises RagkitError for ids with white space and for scores that are not finite in float32.
    """
    lines = []
    for query_id, scores in run.items():
        above = np.float32(np.inf)
        for rank, doc_id in enumerate(ranking(scores), start=1):
            if not abs(scores[doc_id]) <= LARGEST:  # NaN too
                raise RagkitError(
                    f"Query {query_id!r}, document {doc_id!r}: the score is {scores[doc_id]}; "
                    "a TREC run holds finite float32 numbers. Drop the document or rescale the run."
                )
            above = min(np.float32(scores[doc_id]), np.nextafter(above, np.float32(-np.inf)))
            lines.append(f"{_word(query_id)} Q0 {_word(doc_id)} {rank} {float(above)!r} {_word(tag)}\n")
    Path(path).write_text("".join(lines), encoding="utf-8")


def write_qrels(qrels: Qrels, path: str | Path) -> None:
    """Write judgments, zeros included. Raises RagkitError for ids with white space."""
    lines = [
        f"{_word(query_id)} 0 {_word(doc_id)} {grade}\n"
        for query_id, judged in qrels.items()
        for doc_id, grade in judged.items()
    ]
    Path(path).write_text("".join(lines), encoding="utf-8")


def read_run(path: str | Path) -> Run:
    """Read a run; the rank column is not used, as in trec_eval. Raises RagkitError with file and line."""
    run: Run = {}
    for where, (query_id, _, doc_id, _, number, _) in _lines(path, "query_id Q0 doc_id rank score tag"):
        try:
            score = float(number)
        except ValueError:
            score = math.nan
        if math.isnan(score):
            raise RagkitError(f"{where}: the score is {number!r}; expected a number. Mend the line.")
        if doc_id in run.get(query_id, {}):
            raise RagkitError(f"{where}: {doc_id!r} stands twice for query {query_id!r}; expected once.")
        run.setdefault(query_id, {})[doc_id] = score
    return run


def read_qrels(path: str | Path) -> Qrels:
    """Read judgments, zeros included. Raises RagkitError with file and line."""
    qrels: Qrels = {}
    for where, (query_id, _, doc_id, grade) in _lines(path, "query_id 0 doc_id grade"):
        if not re.fullmatch(r"[+-]?\d+", grade):
            raise RagkitError(f"{where}: the grade is {grade!r}; expected an integer. Mend the line.")
        if doc_id in qrels.get(query_id, {}):
            raise RagkitError(f"{where}: {doc_id!r} is judged twice for query {query_id!r}; expected once.")
        qrels.setdefault(query_id, {})[doc_id] = int(grade)
    return qrels


def export(record_folder: str | Path, out_folder: str | Path) -> list[Path]:
    """Write <system>.run for every system in the rankings.parquet of a run record; returns the files.

    Characters of a system's name that a file name or a tag cannot hold become "_".
    Raises RagkitError where the table is missing, as in the record of a run that compared answers, or is
    not one of rankings.
    """
    import pandas as pd

    table = Path(record_folder) / "rankings.parquet"
    if not table.is_file():
        raise RagkitError(
            f"{table} is missing; expected the folder of a run record (data/runs/<notebook>/<key>), of a "
            "notebook that compares rankings: where answers are compared there are none."
        )
    rankings = pd.read_parquet(table)
    if missing := [column for column in COLUMNS if column not in rankings]:
        raise RagkitError(f"{table}: there is no column {missing[0]!r}; expected {', '.join(COLUMNS)}.")
    Path(out_folder).mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for system, rows in rankings.groupby("system", sort=False):
        name = re.sub(r"[^\w.+-]+", "_", str(system))
        path = Path(out_folder) / f"{name}.run"
        if path in written:
            raise RagkitError(f"{table}: two systems would be {path.name} ({system!r} is one). Rename one.")
        run: Run = {}
        for query_id, doc_id, score in zip(rows["query_id"], rows["doc_id"], rows["score"], strict=True):
            run.setdefault(query_id, {})[doc_id] = float(score)
        write_run(run, path, name)
        written.append(path)
    return written


def _word(text: str) -> str:
    if not text or text.split() != [text]:
        raise RagkitError(
            f"The id {text!r} is empty or has white space in it, which parts the columns of TREC files. "
            "Rename the file, or give it an `id:` in its front matter, and run the notebook again."
        )
    return text


def _lines(path: str | Path, form: str) -> Iterator[tuple[str, list[str]]]:
    """(file and line, the columns) of each line that is not blank."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RagkitError(
            f"{Path(path).absolute()} does not exist; expected a file of lines {form!r}."
        ) from error
    except UnicodeDecodeError as error:
        raise RagkitError(
            f"{path}: byte {error.start} is not UTF-8; expected UTF-8. Convert the file."
        ) from error
    for number, line in enumerate(text.split("\n"), start=1):
        columns = line.split()
        if columns and len(columns) != len(form.split()):
            raise RagkitError(f"{path}, line {number}: found {line!r:.80}; expected {form!r}. Mend the line.")
        if columns:
            yield f"{path}, line {number}", columns
