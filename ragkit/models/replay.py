"""Recorded answers instead of a language model: no key, no network, the same answer each time."""

from __future__ import annotations

import json

from ragkit import formats, prices, recordings
from ragkit.recordings import Answer
from ragkit.types import RagkitError, Unavailable, Usage, spend

RECORDED_AS = "command-r-08-2024"  # of the price table: a model of the kind that one would take for this
LIVE = (
    "ask a live model (llm cohere:<model> with CO_API_KEY set, or openai:<model>@<base-url>), or record one: "
    "python -m ragkit record --llm cohere:<model> NOTEBOOK"
)


class Recorded:
    """Replays recorded answers. Their price was not recorded: it is modelled, as `RECORDED_AS` would cost."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._answers = recordings.read(formats.beside(collection))
        self._readings = {row.prompt: row for row in recordings.readings(formats.beside(collection))}

    def __call__(self, prompts: list[str]) -> list[str]:
        """Raises Unavailable for a prompt that nobody recorded."""
        answers = [self._answer(prompt) for prompt in prompts]
        price = prices.PRICES[RECORDED_AS]
        for prompt, answer in zip(prompts, answers, strict=True):
            tokens_in, tokens_out = round(prices.tokens(prompt)), round(prices.tokens(answer))
            dollars, seconds = price.dollars(tokens_in, tokens_out), price.seconds(tokens_out)
            spend(Usage(1, tokens_in, tokens_out, dollars, seconds, modelled=1))
        return answers

    def _answer(self, prompt: str) -> str:
        if prompt in self._answers:
            return self._answers[prompt]
        if reading := self._readings.get(recordings.hash_of(prompt)):
            return reading.answer
        raise Unavailable(
            f"needs a recorded answer in {self._collection} to the prompt that ends "
            f"{recordings.question_of(prompt)!r}: take questions, and documents, that were recorded (the "
            f"ranking may have changed since), or {LIVE}"
        )


class Replayed:
    """Replays the answers of a live model that `python -m ragkit record` wrote, at the price recorded."""

    def __init__(self, model: str, collection: str) -> None:
        self._model, self._collection = model, collection
        folder = formats.beside(collection)
        path = recordings.file_of(folder, f"recorded:{model}")
        if path is None or not path.is_file():
            there = sorted(file.stem.partition("-")[2] for file in folder.glob("recordings-*.jsonl"))
            raise RagkitError(
                f"{folder} has no recordings of {model!r} (there are: {', '.join(there) or 'none'}); make "
                f"some: python -m ragkit record --llm cohere:<model> NOTEBOOK -p collection={collection}"
            )
        self._answers = recordings.read_answers(path)
        # The prompt alone is no key: whatever was asked with other parameters has another one.
        as_asked = {(a.model, json.dumps(a.parameters, sort_keys=True)) for a in self._answers.values()}
        self._as_asked = [(name, json.loads(parameters)) for name, parameters in sorted(as_asked)]

    def __call__(self, prompts: list[str]) -> list[str]:
        """Raises Unavailable for a prompt that was not recorded."""
        answers = [self._answer(prompt) for prompt in prompts]
        for answer in answers:
            spend(answer.usage)
        return [answer.answer for answer in answers]

    def _answer(self, prompt: str) -> Answer:
        for name, parameters in self._as_asked:
            if found := self._answers.get(recordings.key_of(name, parameters, prompt)):
                return found
        question = recordings.question_of(prompt)
        other = any(answer.question == question for answer in self._answers.values())
        why = " (the same question was recorded with other documents or another template)" if other else ""
        raise Unavailable(
            f"needs a recorded answer of {self._model} in {self._collection} to the prompt that ends "
            f"{question!r}{why}: {LIVE}"
        )
