"""Asking a model that answers live: several requests at once, tried again, within a budget, kept at once."""

from __future__ import annotations

import math
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

from ragkit import formats, prices, recordings
from ragkit.models import budget
from ragkit.models.answers import Kept
from ragkit.models.failures import Failure
from ragkit.prices import Price
from ragkit.recordings import Answer
from ragkit.types import RagkitError, Unavailable, Usage, spend

T = TypeVar("T")
WATCHED = 10  # prompts: a progress bar is shown for more


@dataclass(frozen=True)
class Settings:
    """How a live model is asked. Only temperature and max_tokens change what it answers."""

    dollars: float | None = field(default_factory=budget.limit)  # of this process; None: no limit
    at_once: int = 8  # requests
    tries: int = 7  # of a request; their waits add up to two minutes
    wait: float = 2.0  # seconds before the second try, twice as long before each next one
    longest_wait: float = 60.0  # seconds; a server that asks for more is not waited for
    timeout: float = 60.0  # seconds
    max_tokens: int = 512  # of an answer
    temperature: float = 0.0


class Service(Protocol):
    """A model that answers a prompt, over a network or here."""

    @property
    def model(self) -> str:
        """The name under which its answers are kept."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What its answers depend on."""

    def prepare(self) -> None:
        """Called before the first request. Raises Unavailable where a key or weights are missing."""

    def worst(self, prompt: str) -> float:
        """Dollars that this prompt may cost at most."""

    def ask(self, prompt: str) -> tuple[str, Usage]:
        """The answer, and what it used. Raises Failure."""


class Stopped(Exception):
    """Not tried (again): another request has failed for good."""


def send(
    call: Callable[[], tuple[T, Usage]], worst: float, settings: Settings, stop: threading.Event
) -> tuple[T, Usage]:
    """Make a request, again while that may help, `settings.tries` times at most; Usage.seconds is set.

    Exponential backoff with jitter, or what the server asks for. Raises RagkitError or Unavailable.
    """
    begin, failures = perf_counter(), list[Failure]()
    while not stop.is_set():
        problem: str | None = None
        try:
            with budget.PROCESS.reserved(worst, settings.dollars) as bill:
                if stop.is_set():
                    bill.dollars = 0.0
                    break
                start = perf_counter()
                try:
                    value, used = call()
                    bill.dollars = used.dollars
                    return value, replace(used, seconds=perf_counter() - start)
                except Failure as failure:
                    bill.dollars = worst if failure.billed else 0.0
                    failures.append(failure)
        except budget.UsedUp as used_up:
            problem = str(used_up)
        # Raised from here on, outside of every except: what a library raised does not hang on it.
        if problem is not None:
            raise RagkitError(problem)
        last = failures[-1]
        if not last.again:
            raise last.error
        if len(failures) >= min(settings.tries, last.tries) or (last.after or 0) > settings.longest_wait:
            raise RagkitError(_given_up(failures, perf_counter() - begin))
        backoff = min(settings.wait * 2 ** (len(failures) - 1), settings.longest_wait)
        stop.wait(max(backoff * random.uniform(0.5, 1), last.after or 0))
    raise Stopped


def _given_up(failures: list[Failure], seconds: float) -> str:
    reasons = ", ".join(f"{reason}: {n} times" for reason, n in Counter(map(str, failures)).items())
    after = failures[-1].after
    asked = f"; the server asks to wait {after:.0f} s" if after else ""
    return f"no answer, tried {len(failures)} times in {seconds:.0f} s ({reasons}){asked}"


class Live:
    """A live model: prompts to answers, in the same order. It is an LLM.

    What the cache holds is not asked again; what is reported to the meter is what each answer cost
    when it was made. Raises Unavailable without a key; RagkitError when the budget is used up or a
    request fails for good: what was answered until then is kept, and the same call goes on from there.
    """

    def __init__(self, service: Service, settings: Settings, kept_as: str) -> None:
        self._service, self._settings = service, settings
        self._file = recordings.file_name("answers", kept_as)
        self._kept = Kept(formats.cache_folder() / self._file)
        self._noted: set[str] = set()

    @property
    def model(self) -> str:
        """What identifies it: its name, and the address or the weights behind it."""
        return self._service.model

    def __call__(self, prompts: list[str]) -> list[str]:
        model, parameters = self._service.model, self._service.parameters
        keys = [recordings.key_of(model, parameters, prompt) for prompt in prompts]
        asked = dict(zip(keys, prompts, strict=True))
        begin, waited = perf_counter(), 0.0
        self._kept.refresh()
        if not asked.keys() <= self._kept.known.keys():
            self._service.prepare()
            with self._kept.turn():
                self._kept.refresh()
                self._ask({key: text for key, text in asked.items() if key not in self._kept.known})
            waited = perf_counter() - begin
        answers = [self._kept.known[key] for key in keys]
        for answer in answers:
            spend(answer.usage)
        spend(Usage(waited=waited))
        self._note(answers)
        return [answer.answer for answer in answers]

    def _ask(self, missing: dict[str, str]) -> None:
        """Ask for what is missing, and keep each answer when it comes. In threads: they only wait."""
        from tqdm.auto import tqdm

        stop, problem = threading.Event(), None
        pool = ThreadPoolExecutor(max_workers=max(1, self._settings.at_once))
        watched = "RAGKIT_RUN_DIR" not in os.environ and len(missing) > WATCHED
        try:
            with tqdm(total=len(missing), desc=f"asking {self._service.model}", disable=not watched) as bar:
                waiting = [pool.submit(self._one, key, prompt, stop) for key, prompt in missing.items()]
                for future in as_completed(waiting):
                    error = future.exception()
                    problem = problem if isinstance(error, Stopped) else error
                    if problem is not None:
                        break
                    bar.update()
        finally:  # also after Ctrl-C: requests under way come to their end and are kept, no other is sent
            stop.set()
            pool.shutdown(wait=problem is not None, cancel_futures=True)
        if isinstance(problem, RagkitError) and not isinstance(problem, Unavailable):
            done = len(missing.keys() & self._kept.known.keys())
            raise RagkitError(
                f"{self._service.model}: {problem}; {done} of {len(missing)} answers came and are kept in "
                f"{self._kept.path}: the same command goes on from there"
            )
        if problem is not None:
            raise problem

    def _one(self, key: str, prompt: str, stop: threading.Event) -> None:
        service = self._service
        try:
            text, used = send(lambda: service.ask(prompt), service.worst(prompt), self._settings, stop)
        except Exception:
            stop.set()  # here, not where it is told: until then this thread would have sent the next one
            raise
        self._kept.add(
            Answer(
                key,
                service.model,
                dict(service.parameters),
                _writable(recordings.question_of(prompt)),
                _writable(text),
                used.tokens_in,
                used.tokens_out,
                None if math.isnan(used.dollars) else used.dollars,
                round(used.seconds, 3),
            )
        )

    def _note(self, answers: list[Answer]) -> None:
        """Leave the answers that a run used in its folder, so that they can be recorded from there."""
        new = {answer.key: answer for answer in answers if answer.key not in self._noted}
        if "RAGKIT_RUN_DIR" in os.environ and new:
            with (Path(os.environ["RAGKIT_RUN_DIR"]) / self._file).open("a", encoding="utf-8") as file:
                file.writelines(map(recordings.line_of, new.values()))
            self._noted |= new.keys()


def _writable(text: str) -> str:
    """Half a surrogate pair, which some models emit, has no place in a UTF-8 file."""
    return text.encode("utf-8", "replace").decode()


def priced(model: str, on_this_machine: bool, dollars: float | None) -> Price | None:
    """The price of a model; None where it is not known and no budget is set.

    Raises RagkitError where a budget is set that nobody could keep.
    """
    price = prices.PRICES.get(model) or (prices.FREE if on_this_machine else None)
    if price is None and dollars is not None:
        raise RagkitError(
            f"{model!r} has no price in ragkit/prices.py, so no budget can be kept: add a line there, or set "
            f"{budget.VARIABLE}=none to run without one"
        )
    return price


def most_tokens(text: str) -> int:
    """No tokenizer over bytes makes more tokens of a text; 16 for what a chat template adds."""
    return len(text.encode("utf-8", "replace")) + 16
