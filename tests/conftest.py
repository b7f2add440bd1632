"""A cache without a vector, for the tests of models."""

from pathlib import Path

import pytest

from ragkit.models import embedded


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as it lies in a cache: converting it takes seconds, so once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return embedded.converted().parent


@pytest.fixture
def empty_cache(converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without a vector."""
    (tmp_path / converted.name).symlink_to(converted)
    monkeypatch.setenv("RAGKIT_CACHE", str(tmp_path))
    return tmp_path
