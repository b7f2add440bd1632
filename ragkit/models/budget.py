"""The dollars that this process may spend on models, reserved before a request is sent."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ragkit.types import RagkitError

VARIABLE = "RAGKIT_BUDGET"
DEFAULT = 1.00  # dollars


class UsedUp(Exception):
    """The next request does not fit into the budget."""


class Bill:
    """What a request has cost: its worst case, until it is known better."""

    def __init__(self, worst: float) -> None:
        self.dollars = worst


class Ledger:
    """What was spent, and what requests under way may still cost."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._reserved: list[float] = []
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, worst: float, limit: float | None) -> Iterator[Bill]:
        """Hold `worst` dollars for a request; what the bill says in the end is spent.

        Waits for requests under way where their worst case stands in the way; raises UsedUp where it
        does not fit with none under way, so that `limit` (None: none) is never passed.
        """
        worst = 0.0 if math.isnan(worst) else worst  # no price is known: then there is no limit either
        with self._changed:
            while limit is not None and self.spent + sum(self._reserved) + worst > limit:
                if not self._reserved:
                    raise UsedUp(
                        f"the budget of ${limit:.2f} is used up: ${self.spent:.4f} were spent, and the next "
                        f"request may cost ${worst:.4f}; to go on, set {VARIABLE} to more dollars, or to none"
                    )
                self._changed.wait()
            self._reserved.append(worst)
        bill = Bill(worst)
        try:
            yield bill
        finally:
            with self._changed:
                self._reserved.remove(worst)
                self.spent += 0.0 if math.isnan(bill.dollars) else bill.dollars
                self._changed.notify_all()


PROCESS = Ledger()


def limit() -> float | None:
    """Dollars that RAGKIT_BUDGET allows a process, 1.00 where it is not set, None where it says none."""
    text = os.environ.get(VARIABLE, "").strip()
    if text.lower() == "none":
        return None
    try:
        dollars = float(text) if text else DEFAULT
    except ValueError:
        dollars = math.nan
    if not 0 <= dollars < math.inf:
        raise RagkitError(f"{VARIABLE}={text}: expected dollars (for example 2.50), or none for no limit")
    return dollars
