"""Judging one's own documents: questions, pools, and the files that hold what was judged.

In the collection's folder: judgments/<name>.tsv is what one person said, queries.jsonl the questions, and
qrels/<split>.tsv is made from all of judgments/ at every change: what `data.load` reads. All three are
BEIR's forms, and are replaced in one step, so that no reader sees half of one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from ragkit import formats
from ragkit.types import Qrels, Queries, RagkitError, Run, ranking

GRADES = (0, 1, 2)  # not relevant, in part, answers it


class Judgments:
    """What was judged in a folder for a split, by person. It owns the files that it writes.

    Raises RagkitError for a name that is no plain file name, and for a split whose judgments were not made
    here: they would be lost. Two at once, of one machine, take turns.
    """

    def __init__(self, folder: Path, split: str = "test", name: str = "me") -> None:
        for what, word in (("name", name), ("split", split)):
            if not re.fullmatch(r"\w[\w.-]*", word):
                raise RagkitError(
                    f"judge: {what} {word!r}: expected letters, digits, _ - . (it names a file)"
                )
        self.folder, self.split, self.name = folder, split, name
        of_folder = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        self._turn = FileLock(formats.cache_folder() / f"judging-{of_folder}.lock")
        self._documents = formats.read(str(folder), [], formats.raise_it).corpus.keys()
        self.queries: Queries = {}
        self.all: dict[str, Qrels] = {}  # who -> what this person judged
        with self._turn:
            self._open()

    def _open(self) -> None:
        self._load()
        alike = [who for who in self.all if who != self.name and who.casefold() == self.name.casefold()]
        if alike:  # one file on some disks, where the one would replace the other
            raise RagkitError(f"judge: {alike[0]!r} judges here already; {self.name!r} needs another name")
        judged = {(q, d): g for q, grades in merged(self.all).items() for d, g in grades.items()}
        other = [pair for pair, grade in self._published().items() if judged.get(pair, grade) != grade]
        if other:
            raise RagkitError(
                f"{self._target}: {len(other)} grades are not those of {self.folder / 'judgments'} "
                f"({', '.join(other[0])} is the first), and would be replaced. Mend judgments/<name>.tsv "
                "instead and delete this file: it is made anew."
            )
        if any(self.all.values()):
            self._publish()  # documents may have gone since

    @property
    def mine(self) -> Qrels:
        return self.all[self.name]

    def grade(self, query_id: str, doc_id: str, grade: int) -> None:
        """Judge a document, again if need be, and save; what cannot be saved is not held either."""
        with self._turn:
            seen = self.queries.get(query_id)
            self._load()
            if seen not in (None, self.queries.get(query_id)):
                raise RagkitError(f"judge: {query_id!r} was removed, or is another question now; choose one")
            self._grade(query_id, doc_id, grade)

    def refresh(self) -> None:
        """Read what others have added, judged and withdrawn meanwhile."""
        with self._turn:
            self._load()

    def _grade(self, query_id: str, doc_id: str, grade: int) -> None:
        if grade not in GRADES or query_id not in self.queries:
            raise RagkitError(f"judge: grade {grade} of {query_id!r}: expected 0, 1 or 2 of a known question")
        if re.search(r"[\t\n\r]", doc_id):
            raise RagkitError(f"judge: {doc_id!r} holds a tab or a line end, which a .tsv cannot; rename it.")
        mine = self.mine | {query_id: self.mine.get(query_id, {}) | {doc_id: grade}}
        _write(self.folder / "judgments" / f"{self.name}.tsv", mine)
        self.all[self.name] = mine
        try:
            self._publish()
        except OSError as error:
            raise RagkitError(
                f"judge: saved in judgments/{self.name}.tsv, but not yet in what notebooks read: {error}. "
                "The next grade that can be saved brings it there."
            ) from error

    def add(self, question: str) -> str:
        """A new question, saved; returns its id. One that is there already keeps its own."""
        text = " ".join(question.split())
        if not text:
            raise RagkitError("judge: the question is empty")
        with self._turn:
            self._load()
            return self._add(text)

    def _add(self, text: str) -> str:
        for query_id, there in self.queries.items():
            if " ".join(there.split()) == text:
                return query_id
        path = self.folder / "queries.jsonl"
        before = formats.decoded(path, formats.raise_it) if path.is_file() else ""
        taken = set(formats.read_lines(path, formats.raise_it)) if path.is_file() else set()  # of all splits
        taken |= {q for judged in self.all.values() for q in judged}  # the grades of one that was withdrawn
        query_id = next(q for n in itertools.count(len(taken) + 1) if (q := f"q{n}") not in taken)
        row = {"_id": query_id, "text": text, "metadata": {"split": self.split}}
        end = "\n" if before and not before.endswith("\n") else ""
        _replace(path, f"{before}{end}{json.dumps(row, ensure_ascii=False)}\n")
        self.queries[query_id] = text
        return query_id

    def remove(self, query_id: str) -> None:
        """Withdraw a question that nobody has judged. Raises RagkitError for any other."""
        with self._turn:
            self._load()
            if query_id not in self.queries or any(judged.get(query_id) for judged in self.all.values()):
                raise RagkitError(f"judge: {query_id!r} stays: expected a question that nobody has judged")
            path = self.folder / "queries.jsonl"
            lines = formats.decoded(path, formats.raise_it).split("\n")
            kept = [line for line in lines if not line.strip() or json.loads(line)["_id"] != query_id]
            _replace(path, "\n".join(kept))
            del self.queries[query_id]

    def _questions(self) -> Queries:
        """Those of this split; where a question does not say its split, those that no other one judges."""
        path = self.folder / "queries.jsonl"
        rows = formats.read_lines(path, formats.raise_it) if path.is_file() else {}
        others = {q for p in self.folder.glob("qrels/*.tsv") if p.stem != self.split for q in _read(p)}
        of = {q: row.metadata.get("split", "" if q in others else self.split) for q, row in rows.items()}
        return {q: rows[q].text for q, split in of.items() if split == self.split}

    @property
    def _target(self) -> Path:
        return self.folder / "qrels" / f"{self.split}.tsv"

    def _published(self) -> dict[tuple[str, str], int]:
        qrels = _read(self._target) if self._target.is_file() else {}
        return {(q, d): grade for q, grades in qrels.items() for d, grade in grades.items()}

    def _load(self) -> None:
        """The questions, and what everybody has saved: others, and oneself in another window.

        Raises RagkitError where qrels hold what nobody of them judged, since they are to be replaced.
        """
        if not self.folder.is_dir():
            raise RagkitError(
                f"{self.folder} is no more (renamed, or moved?): name the folder anew, and Open"
            )
        published = self._published()  # first: who saves meanwhile, saves more
        self.queries = self._questions()
        self.all = {path.stem: _read(path) for path in sorted(self.folder.glob("judgments/*.tsv"))}
        self.all.setdefault(self.name, {})
        made_here = {(q, d) for judged in self.all.values() for q, grades in judged.items() for d in grades}
        if others := published.keys() - made_here:
            raise RagkitError(
                f"{self._target} holds {len(others)} judgments that were not made here, and it would be "
                f"replaced. Copy it to {self.folder / 'judgments'}/before.tsv to count them as a person's, "
                "delete it to start anew, or name another split or folder."
            )

    def _publish(self) -> None:
        """qrels/<split>.tsv: of this split's questions, and of the documents that are there."""
        judged = merged(self.all).items()
        kept = {q: {d: g for d, g in of_query.items() if d in self._documents} for q, of_query in judged}
        qrels = {q: of_query for q, of_query in kept.items() if of_query and q in self.queries}
        if not self._target.is_file() or _read(self._target) != qrels:  # else it need not be writable
            _write(self._target, qrels)


def pool(runs: Sequence[Run], query_id: str, depth: int) -> list[str]:
    """The first `depth` documents of every run, in an order that tells nothing of their ranks.

    The order is that of a hash of question and document: the same whenever it is asked for.
    """
    found = {doc_id for run in runs for doc_id in ranking(run.get(query_id, {}), depth)}
    return sorted(found, key=lambda doc_id: hashlib.sha256(f"{query_id}\0{doc_id}".encode()).hexdigest())


def merged(judgments: Mapping[str, Qrels]) -> Qrels:
    """One grade a document: the mean of all who judged it, rounded down, since the doubt is theirs."""
    grades: dict[str, dict[str, list[int]]] = {}
    for judged in judgments.values():
        for query_id, of_query in judged.items():
            for doc_id, grade in of_query.items():
                grades.setdefault(query_id, {}).setdefault(doc_id, []).append(grade)
    return {q: {d: sum(g) // len(g) for d, g in of_query.items()} for q, of_query in grades.items()}


def kappa(one: Qrels, other: Qrels) -> tuple[float, int, int]:
    """Cohen's kappa of the documents that both judged, how many they are, and how many were graded alike.

    Cohen 1960 (A Coefficient of Agreement for Nominal Scales): (observed - expected) / (1 - expected), all
    disagreements alike. NaN where nothing was judged by both, or both gave one and the same grade always.
    """
    pairs = [
        (g, other[q][d]) for q, of_query in one.items() for d, g in of_query.items() if d in other.get(q, {})
    ]
    alike, n = sum(a == b for a, b in pairs), len(pairs)
    if not n:
        return float("nan"), 0, 0
    ours, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(ours[grade] * theirs[grade] for grade in ours) / n**2
    return (alike / n - expected) / (1 - expected) if expected < 1 else float("nan"), n, alike


def agreement(judgments: Mapping[str, Qrels]) -> list[tuple[str, str, int, int, float]]:
    """A row for each two people who judged a document in common: names, documents, alike, kappa."""
    rows = []
    for one, other in itertools.combinations(sorted(judgments), 2):
        value, n, alike = kappa(judgments[one], judgments[other])
        rows += [(one, other, n, alike, value)] if n else []
    return rows


def _read(path: Path) -> Qrels:
    """A file of judgments in BEIR's form; raises RagkitError with the line."""
    qrels: Qrels = {}
    for _, query_id, doc_id, grade in formats.read_judgments(path, formats.raise_it):
        qrels.setdefault(query_id, {})[doc_id] = grade
    return qrels


def _write(path: Path, qrels: Qrels) -> None:
    rows = [f"{q}\t{d}\t{grade}" for q, judged in qrels.items() for d, grade in judged.items()]
    _replace(path, "\n".join([formats.HEADER, *rows]) + "\n")


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644  # a temporary file is its owner's alone
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".", encoding="utf-8", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, mode)
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise
