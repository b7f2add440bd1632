"""A small project to sweep in: notebooks of a second, a package `ragkit` of their own, and a collection."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ragkit import formats

CHECKOUT = Path(__file__).resolve().parent.parent
PUBLISHED = CHECKOUT.parent / "shared" / "datasets"

RECORD = """
import os
from pathlib import Path

import numpy as np
import pandas as pd


def save(seed):
    folder = Path(os.environ["RAGKIT_RUN_DIR"])
    values = np.random.default_rng(seed).random(5)
    pd.DataFrame({"value": [values.mean()]}).to_parquet(folder / "results.parquet")
    pd.DataFrame({"value": values}).to_parquet(folder / "per_query.parquet")
"""
DRAW = [("code", "seed = 1  # of the draw\npause = 0.0  # seconds", ["parameters"]),
        ("markdown", "Some prose.", []),
        ("code", "import time\n\nfrom ragkit import record", []),
        ("code", "time.sleep(pause)", []),
        ("code", "record.save(seed)", [])]  # fmt: skip

Cell = tuple[str, str, list[str]]  # kind, source, tags


def write_notebook(path: Path, cells: Sequence[Cell]) -> Path:
    """A notebook of these cells, as Jupyter writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written: list[dict[str, object]] = []
    for number, (kind, source, tags) in enumerate(cells):
        cell: dict[str, object] = {
            "cell_type": kind,
            "id": f"c{number}",
            "metadata": {"tags": tags},
            "source": source,
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        written.append(cell)
    path.write_text(json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def write_project(root: Path) -> Path:
    """One notebook, 10_draw, and the package it imports."""
    write_notebook(root / "notebooks" / "10_draw.ipynb", DRAW)
    (root / "ragkit").mkdir(parents=True, exist_ok=True)
    (root / "ragkit" / "__init__.py").write_text("")
    (root / "ragkit" / "record.py").write_text(RECORD)
    return root


def write_collection(
    folder: Path, corpus: dict[str, str], queries: dict[str, str], judged: Sequence[tuple[str, str, int]]
) -> Path:
    """A BEIR folder with these texts, and with these judgments for its split test."""
    (folder / "qrels").mkdir(parents=True)
    for name, texts in [("corpus", corpus), ("queries", queries)]:
        rows = [json.dumps({"_id": key, "title": "", "text": text}) + "\n" for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    lines = [formats.HEADER, *("\t".join(map(str, row)) for row in judged)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def interruptible() -> None:
    """In a new process: SIGINT ends it, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """`python -m ragkit ...` in the project at `root`, as a process of its own."""
    code = (
        "import sys; from pathlib import Path; from ragkit.__main__ import main; "
        "sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root), *arguments],
        cwd=CHECKOUT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=interruptible,
    )


def ragkit(root: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of such a process."""
    process = start(root, *arguments)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err
