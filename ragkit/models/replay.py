"""Recorded answers instead of a language model: no key, no network, the same answer each time."""

from __future__ import annotations

from pathlib import Path

from ragkit import formats, prices, recordings
from ragkit.types import RagkitError, Usage, spend

RECORDED_AS = "command-r-08-2024"  # of the price table: a model of the kind that one would take for this


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
