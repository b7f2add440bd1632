"""The only package that loads a neural model or calls a network: lazily, with a cache, counting its use.

embedded: the encoder that needs no hub; encoders: that and any other; replay: recorded answers;
rerankers: late interaction and cross-encoders; cache: what was computed once.
"""

from __future__ import annotations

from ragkit.models import embedded, encoders, replay, rerankers
from ragkit.models.encoders import TextEncoder, fingerprint
from ragkit.types import LLM, RagkitError, Scorer

__all__ = ["cohere_rerank", "cross_encoder", "encoder", "fingerprint", "llm", "maxsim"]


def encoder(name: str = embedded.NAME, precision: str = "f32") -> TextEncoder:
    """The embedded encoder, a folder with a sentence-transformers model, or its name on the Hugging Face hub.

    Nothing is loaded before something has to be encoded. `precision`: f32 (all published figures) or
    bf16. Raises RagkitError for an unknown precision; `Unavailable`, when it is first used, if the
    weights are not to be had.
    """
    if precision not in encoders.PRECISIONS:
        raise RagkitError(
            f"models.encoder: precision {precision!r}: expected one of {', '.join(encoders.PRECISIONS)}"
        )
    return TextEncoder(name, precision)


def llm(name: str = "recorded", collection: str = "larkfield") -> LLM:
    """A language model: prompts to answers. "recorded" replays what is committed beside a collection.

    Raises RagkitError for another name, or a collection without recordings.
    """
    if name != "recorded":
        raise RagkitError(f"models.llm: {name!r} is not known: expected 'recorded'")
    return replay.Recorded(collection)


def maxsim(precision: str = "f32") -> rerankers.MaxSim:
    """The embedded reranker: late interaction over the token vectors of all-MiniLM-L6-v2.

    Nothing is loaded before something has to be scored. Raises RagkitError for an unknown precision.
    """
    return rerankers.MaxSim(encoder(precision=precision).precision)


def cross_encoder(name: str) -> rerankers.CrossEncoder:
    """A folder with a cross-encoder of sentence-transformers, or its name on the Hugging Face hub.

    `Unavailable`, when it is first used, if the weights are not to be had.
    """
    return rerankers.CrossEncoder(name)


def cohere_rerank(model: str) -> Scorer:
    """Cohere's reranker; `Unavailable`, when it is first used, without a key."""
    from ragkit.models import live

    return live.cohere_rerank(model)
