"""Where models keep what they computed: a folder that can be deleted at any time."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ragkit import formats
from ragkit.types import RagkitError

WAIT = 60.0  # seconds that a reader waits for a writer


@contextmanager
def vectors(name: str) -> Iterator[sqlite3.Connection]:
    """One SQLite file for a model's vectors of one kind in one precision."""
    path = formats.cache_folder() / f"vectors-{re.sub(r'[^A-Za-z0-9@.-]', '_', name)}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=WAIT)
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB, seconds REAL)"
        )
        yield connection
    except sqlite3.OperationalError as error:  # locked, a full disk: nothing is wrong with what is kept
        raise RagkitError(f"{path}: {error}; free it (or the disk), and run this again") from None
    except sqlite3.DatabaseError as error:
        raise RagkitError(f"{path}: {error}; it is only a cache: delete it") from None
    finally:
        connection.close()


@contextmanager
def taking_turns(cache: sqlite3.Connection) -> Iterator[None]:
    """Runs fill a file one after the other, each on all cores, so that no two encode the same texts."""
    from filelock import FileLock

    path = cache.execute("PRAGMA database_list").fetchone()[2]
    with FileLock(f"{path}.lock"):
        yield


def read(cache: sqlite3.Connection, keys: Sequence[str]) -> dict[str, tuple[bytes, float]]:
    wanted = "SELECT key, vector, seconds FROM vectors WHERE key IN (SELECT value FROM json_each(?))"
    return {key: (vector, seconds) for key, vector, seconds in cache.execute(wanted, [json.dumps(keys)])}
