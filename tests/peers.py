"""Other implementations to agree with, where using them takes more than an import."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import pytest


@contextmanager
def ranx() -> Iterator[Any]:
    """The library, run by Python itself: to compile it takes a minute, and the runs here are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        import ranx

        yield ranx
