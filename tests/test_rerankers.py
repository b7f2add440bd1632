"""The rerankers: late interaction by hand and against the model itself, cross-encoders against predict."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ragkit import models, rerank
from ragkit.models import embedded, rerankers
from ragkit.types import RagkitError, Unavailable
from tests.toy import SMALL_BERT

LONG = "valve " * 400
PAIRS = [("open the valve", "Valves open at dawn."), ("a cat", "Valves open at dawn."),
         ("open the valve", "The cat sleeps."), ("a cat", "The cat sleeps."),
         ("open the valve", ""), ("", "The cat sleeps."), ("open the valve", LONG)]  # fmt: skip


def test_late_interaction_by_hand() -> None:
    query = np.array([[1, 0], [0, 1], [0.6, 0.8]])
    first, second = np.array([[1, 0]]), np.array([[0, 1], [0.8, 0.6]])
    # first: 1 + 0 + 0.6; second: max(0, 0.8) + max(1, 0.6) + max(0.8, 0.6 * 0.8 + 0.8 * 0.6 = 0.96)
    scores = rerankers.late_interaction(query, [first, second])
    np.testing.assert_allclose(scores, [1.6, 2.76], rtol=1e-6)


def test_maxsim_is_what_the_token_vectors_of_sentence_transformers_give(empty_cache: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer, util

    model = SentenceTransformer(str(embedded.folder()), device="cpu")

    def tokens(text: str) -> torch.Tensor:
        vectors = model.encode(text, output_value="token_embeddings", convert_to_tensor=True)
        return util.normalize_embeddings(vectors)

    # equation 3, a pair at a time
    expected = [float((tokens(query) @ tokens(text).T).max(dim=1).values.sum()) for query, text in PAIRS]
    assert models.maxsim()(PAIRS) == pytest.approx(expected, abs=2e-3)  # kept as float16: 11 bits


def test_other_pairs_in_a_call_change_nothing(empty_cache: Path) -> None:
    together = models.maxsim()(PAIRS)
    scorer = models.maxsim()
    assert [scorer([pair])[0] for pair in PAIRS] == pytest.approx(together, abs=1e-3)
    assert scorer([]) == []


def test_a_text_is_encoded_once_and_its_vectors_are_counted(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = models.maxsim()
    assert (scorer.size_bytes, scorer.build_seconds) == (0, 0)
    scorer.documents(["one two three", "one two three", ""])
    assert scorer.size_bytes == (5 + 2) * 384 * 2  # [CLS] one two three [SEP], [CLS] [SEP], float16
    seconds = scorer.build_seconds
    assert seconds > 0
    score = scorer([("three", "one two three")])
    again = models.maxsim()  # in another run the cache has them, with what they cost
    monkeypatch.setattr(rerankers._TokenEncoder, "_encode_missing", None)  # a text to encode would fail
    again.documents(["one two three", ""])
    assert again.build_seconds == pytest.approx(seconds)
    assert again([("three", "one two three")]) == pytest.approx(score)
    models.encoder().documents(["one two three"])  # has a cache of its own
    assert len(list(empty_cache.glob("vectors-*-f32.sqlite"))) == 2
    with pytest.raises(RagkitError, match=r"'f8'.*f32, bf16"):
        models.maxsim("f8")


def test_maxsim_reranks(empty_cache: Path) -> None:
    corpus = {"cat": "The cat sleeps on the mat.", "dog": "A dog barks at the postman.", "sea": "Cold water."}
    run = {"q": {"sea": 3.0, "dog": 2.0, "cat": 1.0}}
    reranked = rerank.pointwise({"q": "where does the cat sleep?"}, run, corpus, models.maxsim(), 3)["q"]
    assert max(reranked, key=lambda doc_id: reranked[doc_id]) == "cat"


def small_cross_encoder(folder: Path, labels: int) -> str:
    """A cross-encoder in a folder: random weights, two layers."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(embedded.folder())
    torch.manual_seed(0)
    # a wide range, else all scores are nearly equal
    config = BertConfig.from_dict(SMALL_BERT | {"vocab_size": len(tokenizer), "initializer_range": 1.0})
    config.num_labels = labels
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_cross_encoder_scores_as_its_own_predict(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    folder = small_cross_encoder(tmp_path, labels=1)
    expected = CrossEncoder(folder, device="cpu").predict(PAIRS)
    scorer = models.cross_encoder(folder)
    assert scorer(PAIRS) == pytest.approx([float(score) for score in expected], abs=1e-5)
    assert len({round(score, 3) for score in scorer(PAIRS)}) > 3
    assert scorer([]) == []


def test_a_model_that_gives_several_scores_is_no_reranker(tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match=r"gives 3 scores a pair.*num_labels 1"):
        models.cross_encoder(small_cross_encoder(tmp_path, labels=3))(PAIRS)


def test_a_cross_encoder_that_is_not_to_be_had_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_OFFLINE", True
    )  # the same with a network and without
    scorer = models.cross_encoder("nobody/such-model")
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^needs the weights of 'nobody/such-model'.*offline"):
            scorer(PAIRS)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Unavailable, match="needs the weights of"):
        models.cross_encoder(str(tmp_path))(PAIRS)


def test_what_was_downloaded_before_is_loaded_when_the_hub_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "models--cross-encoder--small"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("c0ffee")
    folder = small_cross_encoder(tmp_path / "made", labels=1)
    shutil.copytree(folder, cached / "snapshots" / "c0ffee")
    expected = models.cross_encoder(folder)(PAIRS)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("cross-encoder/small", "small"):  # without an organisation it is that of cross-encoders
        assert models.cross_encoder(name)(PAIRS) == pytest.approx(expected)


def test_nothing_is_loaded_before_there_is_something_to_score() -> None:
    assert models.cross_encoder("nobody/such-model")([]) == []
