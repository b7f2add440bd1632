"""A cache without a vector, for the tests of models."""

from pathlib import Path

import pytest

from ragkit.models import embedded


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without a vector, but with the embedded model: converting it takes seconds."""
    converted = embedded.converted().parent.resolve()
    (tmp_path / converted.name).symlink_to(converted)
    monkeypatch.setenv("RAGKIT_CACHE", str(tmp_path))
    return tmp_path
