"""The only package that loads a neural model or calls a network: lazily, with a cache, counting its use.

embedded: the encoder that needs no hub; encoders: that and any other; replay: recorded answers;
cache: what was computed once.
"""

from __future__ import annotations

from ragkit.models import embedded, encoders, replay
from ragkit.models.encoders import TextEncoder, fingerprint
from ragkit.types import LLM, RagkitError

__all__ = ["encoder", "fingerprint", "llm"]


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
