"""The only package that loads a neural model or calls a network: lazily, with a cache, counting its use.

embedded: the encoder that needs no hub; encoders: that and any other; replay: recorded answers;
live: asking a model that answers now (cohere_api, openai_api, local), with budget and failures;
rerankers: late interaction and cross-encoders; hub: weights, and what is said where there are none;
cache: what was computed once; answers: what was answered once.
"""

from __future__ import annotations

from dataclasses import replace

from ragkit import recordings
from ragkit.models import cohere_api, embedded, encoders, local, openai_api, replay, rerankers
from ragkit.models.encoders import TextEncoder, fingerprint
from ragkit.models.live import Live, Settings
from ragkit.types import LLM, RagkitError, Scorer

__all__ = ["Settings", "cohere_rerank", "cross_encoder", "encoder", "fingerprint", "llm", "maxsim"]

LLMS = ("recorded", "recorded:<model>", "cohere:<model>", "openai:<model>", "openai:<model>@<base-url>",
        "hf:<model or folder>")  # fmt: skip


def encoder(name: str = embedded.NAME, precision: str = "f32") -> TextEncoder:
    """The embedded encoder, a folder with a sentence-transformers model, or its name on the Hugging Face hub.

    cohere:<model> is an encoder of Cohere's. Nothing is loaded before something has to be encoded.
    `precision`: f32 (all published figures) or bf16. Raises RagkitError for an unknown precision;
    `Unavailable`, when it is first used, if the weights are not to be had, or the key is missing.
    """
    if precision not in encoders.PRECISIONS:
        raise RagkitError(
            f"models.encoder: precision {precision!r}: expected one of {', '.join(encoders.PRECISIONS)}"
        )
    if name.startswith(encoders.COHERE) and precision != "f32":
        raise RagkitError(f"models.encoder: precision {precision!r} of {name}: Cohere encodes, expected f32")
    return TextEncoder(name, precision)


def llm(name: str = "recorded", collection: str = "larkfield", settings: Settings | None = None) -> LLM:
    """A language model: prompts to answers, in the same order; what it costs goes to the meter of types.

    recorded                       replays what is committed beside a collection; its price is modelled
    recorded:<model>               replays what `python -m ragkit record` has written there, at its price
    cohere:<model>                 asks Cohere; needs CO_API_KEY
    openai:<model>                 asks OpenAI, or the server that OPENAI_BASE_URL names
    openai:<model>@<base-url>      asks any server that speaks its API, a local one too (http://localhost:...)
    hf:<model or folder>           runs a model of transformers here

    Live answers are kept in the cache of answers, each as it comes in. Raises RagkitError for another
    name, and for a <model> that was never recorded there; `Unavailable` for a collection without recordings,
    and, when a live model is first used, if a key or its weights are missing.
    """
    how, _, model = name.partition(":")
    if how == "recorded" and (model or name == how):
        return replay.Replayed(model, collection) if model else replay.Recorded(collection)
    settings, bare = settings or Settings(), recordings.model_of(name)
    if how == "cohere" and bare:
        return Live(cohere_api.Chat(model, settings), settings, bare)
    if how == "openai" and bare:
        return Live(openai_api.Chat(bare, model[len(bare) + 1 :], settings), settings, bare)
    if how == "hf" and bare:
        one_at_once = replace(settings, at_once=1)
        return Live(local.Causal(model, one_at_once), one_at_once, bare)
    raise RagkitError(f"models.llm: {name!r} is not known: expected {', '.join(LLMS)}")


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


def cohere_rerank(model: str = "rerank-v3.5", settings: Settings | None = None) -> Scorer:
    """Cohere's reranker, a Scorer: (query, text) pairs to scores in [0, 1], one search a query.

    Scores are kept in the cache of answers. Raises `Unavailable` without CO_API_KEY when it is first used.
    """
    settings = settings or Settings()
    return cohere_api.scorer(Live(cohere_api.Rerank(model, settings), settings, model))
