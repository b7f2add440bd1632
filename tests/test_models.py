"""The encoders: the embedded one against sentence-transformers, the cache, what is said without weights."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragkit import models, retrieve
from ragkit.models import cache, embedded, encoders
from ragkit.types import RagkitError, Unavailable, timing
from tests.toy import SMALL_BERT

TEXTS = ["Valves open at dawn.", "", "one two three " * 200, "Größe: 5 µm, 日本語"]


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sentence-transformers folder made here: random weights, two layers, a prompt for queries."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("model")
    tokenizer = AutoTokenizer.from_pretrained(embedded.folder())
    config = BertConfig.from_dict(SMALL_BERT | {"vocab_size": len(tokenizer)})
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=32)
    whole = SentenceTransformer(
        modules=[transformer, Pooling(16)], prompts={"query": "query: "}, device="cpu"
    )
    whole.save(str(folder / "whole"))
    return str(folder / "whole")


def test_the_embedded_encoder_computes_what_sentence_transformers_does(empty_cache: Path) -> None:
    ours, _ = models.encoder().documents(TEXTS)
    reference = encoders._sentence_transformer(str(embedded.folder()), "f32")(TEXTS, "document")
    assert ours.shape == (4, 384)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, reference, atol=2e-6)
    np.testing.assert_allclose(models.encoder().queries(TEXTS), reference, atol=2e-6)


def test_bf16_is_near_f32_and_kept_apart_from_it(empty_cache: Path) -> None:
    exact, _ = models.encoder().documents(TEXTS[:1])
    rough, _ = models.encoder(precision="bf16").documents(TEXTS[:1])
    assert float((exact * rough).sum()) > 0.99
    assert len(list(empty_cache.glob("vectors-*.sqlite"))) == 2


def test_an_encoder_in_a_folder_uses_its_own_prompts(small_model: str, empty_cache: Path) -> None:
    encoder = models.encoder(small_model)
    plain, prompted = encoder.documents(["valve"])[0], encoder.queries(["valve"])
    assert plain.shape == (1, 16)
    assert np.linalg.norm(plain) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(plain, prompted)
    np.testing.assert_allclose(encoder.documents(["query: valve"])[0], prompted, atol=1e-6)
    dense = retrieve.Dense({"a": "valve", "b": "pump"}, encoder)
    assert set(dense({"q": "valve"}, 2)["q"]) == {"a", "b"}


class Counting(encoders.TextEncoder):
    """Encodes a text as (its length, 1), and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__("counting", "f32")
        self.asked: list[str] = []

    def _encode(self, texts: list[str], kind: str) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_one_changed_document_encodes_one_document(empty_cache: Path) -> None:
    texts = [f"{'x' * n}" for n in range(100)]
    first, again, changed = Counting(), Counting(), Counting()
    vectors, seconds = first.documents([*texts, "x"])  # one of them twice
    assert sorted(first.asked) == sorted(texts)
    assert vectors[:, 0].tolist() == [*range(100), 1]
    same, then = again.documents(texts)
    assert again.asked == []
    assert (same == vectors[:100]).all()
    assert then == pytest.approx(seconds)  # what it cost when it was done
    changed.documents([*texts[:50], "changed", *texts[51:]])
    assert changed.asked == ["changed"]


def test_a_question_is_encoded_once_but_anew_while_it_is_timed(empty_cache: Path) -> None:
    first, again = Counting(), Counting()
    vectors = first.queries(["a", "bb", "a"])
    assert vectors.tolist() == [[1, 1], [2, 1], [1, 1]]
    assert (again.queries(["bb", "a", "a"]) == vectors[[1, 0, 2]]).all()
    assert (sorted(first.asked), again.asked) == (["a", "bb"], [])
    with timing():
        assert again.queries(["bb", "bb"]).tolist() == [[2, 1], [2, 1]]
    assert again.asked == ["bb", "bb"]
    again.documents(["bb"])  # which some models encode otherwise: a cache of its own
    assert again.asked == ["bb", "bb", "bb"]


def test_an_interrupted_encoding_loses_one_batch(empty_cache: Path) -> None:
    class Interrupted(Counting):
        def _encode(self, texts: list[str], kind: str) -> NDArray[np.float32]:
            if len(self.asked) >= 2 * encoders.KEPT:
                raise KeyboardInterrupt
            return super()._encode(texts, kind)

    texts = [f"{'x' * n}" for n in range(3 * encoders.KEPT)]
    with pytest.raises(KeyboardInterrupt):
        Interrupted().documents(texts)
    rest = Counting()
    rest.documents(texts)
    assert len(rest.asked) == encoders.KEPT


def test_a_broken_cache_file_is_named(empty_cache: Path) -> None:
    Counting().documents(["a"])
    (path,) = empty_cache.glob("vectors-*.sqlite")
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(RagkitError, match=rf"{path.name}.*delete it"):
        Counting().documents(["a"])


def test_a_cache_file_that_another_run_holds_is_not_to_be_deleted(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Counting().documents(["a"])
    (path,) = empty_cache.glob("vectors-*.sqlite")
    monkeypatch.setattr(cache, "WAIT", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RagkitError, match="database is locked") as error:
            Counting().documents(["b"])
    assert "delete" not in str(error.value)


def test_no_text_gives_no_vector(empty_cache: Path) -> None:
    vectors, seconds = Counting().documents([])
    assert vectors.shape[0] == 0
    assert seconds == 0


def test_a_model_that_is_not_to_be_had_says_what_is_needed(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # with a network too
    with pytest.raises(Unavailable, match=r"^needs the weights of 'nobody.*; all-MiniLM-L6-v2 is built in$"):
        models.encoder("nobody/such-model").queries(["a"])
    with pytest.raises(RagkitError, match=r"'f8'.*f32, bf16"):
        models.encoder(precision="f8")


def test_other_weights_under_the_embedded_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SHA256", "0" * 64)
    with pytest.raises(RagkitError, match=r"model\.safetensors: SHA-256 53aa5117.*expected 0000"):
        embedded.folder()
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    with pytest.raises(Unavailable, match="needs the package no_such_package"):
        embedded.folder()


def test_the_fingerprint_of_a_folder_follows_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    before = models.fingerprint(str(tmp_path))
    (tmp_path / "weights").write_bytes(b"2")
    assert models.fingerprint(str(tmp_path)) != before
    names = ["sentence-transformers/a", "sentence-transformers-testing/a", "a"]  # are three models
    assert len({models.fingerprint(name)[:16] for name in names}) == 3
    assert models.fingerprint(embedded.NAME) == embedded.SHA256


def test_nothing_phones_home(empty_cache: Path) -> None:
    models.encoder().queries(["a"])
    assert sys.modules["openvino_telemetry"] is None


def test_the_documents_of_a_model_are_one_sqlite_file(empty_cache: Path) -> None:
    Counting().documents(["a", "b"])
    (path,) = empty_cache.glob("vectors-counting*-f32.sqlite")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM vectors").fetchone() == (2,)
