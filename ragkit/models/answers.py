"""The cache of answers: a line of JSON each, written as it comes in, by several processes at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragkit import recordings
from ragkit.recordings import Answer


class Kept:
    """The answers in a file, by key. Who is killed loses the answer that he was writing, and no other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Answer] = {}
        self._read = 0  # bytes
        self._lines = 0
        self._writing = threading.Lock()

    def refresh(self) -> None:
        """Read what was added since, by anyone. A last line without its end is left: it is being written."""
        if not self.path.is_file():
            self._read = self._lines = 0  # a cache may be deleted at any time
            return
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._read:
                self._read = self._lines = 0
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return
        for line in whole.split(b"\n"):
            self._lines += 1
            answer = recordings.parse(line.decode("utf-8", "replace"), f"{self.path}, line {self._lines}")
            self.known[answer.key] = answer
        self._read += len(whole) + 1

    def add(self, answer: Answer) -> None:
        """Keep an answer: when this returns, the file holds it."""
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing, FileLock(f"{self.path}.lock"), self.path.open("a+b") as file:
            _repair(file.fileno())
            file.write(recordings.line_of(answer).encode())
        self.known[answer.key] = answer

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Processes ask one after the other, so that no two pay for the same answer."""
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.turn"):
            yield


def _repair(file: int) -> None:
    """Cut off a last line that has no end: its writer was killed."""
    size = os.fstat(file).st_size
    tail, begin = b"", size
    while begin and b"\n" not in tail:
        length = min(begin, 1 << 16)
        begin -= length
        tail = os.pread(file, length, begin) + tail
    whole = begin + tail.rfind(b"\n") + 1 if b"\n" in tail else 0
    if whole < size:
        os.ftruncate(file, whole)
