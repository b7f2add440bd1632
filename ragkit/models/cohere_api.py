"""Cohere's v2 API through its own client: chat, rerank, embed. CO_API_KEY is the key, CO_API_URL the address.

The client's own retries are off: `live` tries again, within the budget.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ragkit import prices
from ragkit.models import failures, live
from ragkit.models.live import Live, Settings
from ragkit.types import RagkitError, Unavailable, Usage, spend

if TYPE_CHECKING:
    from cohere import ClientV2

T = TypeVar("T")
KEYS = ("CO_API_KEY", "COHERE_API_KEY")  # the client reads both, in this order
ADDRESS = "CO_API_URL"
TEXTS = 96  # that one call encodes
DOCUMENTS = 1000  # that one call reranks
A_SEARCH = 100  # documents; longer ones than 500 tokens, the query's among them, count once for every 500
KINDS = {"document": "search_document", "query": "search_query"}


class _Api:
    """One model of Cohere's, and what all calls have in common."""

    def __init__(self, model: str, settings: Settings) -> None:
        self.name, self.settings = model, settings
        self.model = f"cohere:{model}"
        self.parameters: Mapping[str, Any] = {}

    def prepare(self) -> None:
        """Raises Unavailable without a key."""
        failures.key(KEYS, "Cohere")
        self.dollars(0, 0)
        _ = self._client

    @cached_property
    def _client(self) -> ClientV2:
        from cohere import ClientV2

        url = os.environ.get(ADDRESS)  # the client reads it too, but when it is imported, not now
        return ClientV2(
            failures.key(KEYS, "Cohere"),
            base_url=failures.address(url, ADDRESS) if url else None,
            timeout=self.settings.timeout,
            max_retries=0,
        )

    def dollars(self, tokens_in: float, tokens_out: float, searches: float = 0) -> float:
        price = live.priced(self.name, False, self.settings.dollars)
        return math.nan if price is None else price.dollars(tokens_in, tokens_out, searches)

    def called(self, request: Callable[[ClientV2], Any], read: Callable[[Any], T]) -> T:
        """What `read` takes out of the reply to a request. Raises Failure."""
        import httpx
        from cohere.core.api_error import ApiError
        from cohere.core.parse_error import ParsingError

        try:
            return read(request(self._client))
        except failures.Failure:
            raise
        except ApiError as error:
            status = error.status_code or 0
            if 200 <= status < 300:
                failure = failures.nonsense("it is no JSON")
            else:
                failure = failures.refused(status, error.headers or {}, error.body, KEYS)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = failures.unreached(error, os.environ.get(ADDRESS) or "Cohere")
        except httpx.HTTPError as error:
            failure = failures.cut(error)
        except (ParsingError, AttributeError, TypeError, LookupError, ValueError) as error:
            failure = failures.nonsense(f"it is not what the v2 API promises ({type(error).__name__})")
        raise failure


class Chat(_Api):
    """A language model of Cohere's, as a `live.Service`. Tokens are those that are billed."""

    def __init__(self, model: str, settings: Settings) -> None:
        super().__init__(model, settings)
        self.parameters = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}

    def worst(self, prompt: str) -> float:
        return self.dollars(live.most_tokens(prompt), self.settings.max_tokens)

    def ask(self, prompt: str) -> tuple[str, Usage]:
        def read(reply: Any) -> tuple[str, Usage]:
            texts = [item.text for item in reply.message.content or [] if item.type == "text"]
            if not texts or not ("".join(texts) or reply.finish_reason == "COMPLETE"):
                raise failures.nonsense(f"it has no text (finish_reason {reply.finish_reason})")
            billed = (reply.usage and (reply.usage.billed_units or reply.usage.tokens)) or None
            text = "".join(texts)
            tokens_in = int(getattr(billed, "input_tokens", None) or prices.tokens(prompt))
            tokens_out = int(getattr(billed, "output_tokens", None) or prices.tokens(text))
            return text, Usage(1, tokens_in, tokens_out, self.dollars(tokens_in, tokens_out))

        from cohere import UserChatMessageV2

        message = UserChatMessageV2(content=prompt)
        return self.called(lambda c: c.chat(model=self.name, messages=[message], **self.parameters), read)


class Rerank(_Api):
    """A reranker of Cohere's, as a `live.Service`: documents and query to a list of scores, as text.

    The prompt is the documents, a JSON list on its first line, and then the query.
    """

    def worst(self, prompt: str) -> float:
        documents, query = self._parts(prompt)
        room = max(250, 500 - live.most_tokens(query))  # tokens of a document beside the query
        counted = sum(math.ceil(live.most_tokens(document) / room) for document in documents)
        return self.dollars(0, 0, math.ceil(counted / A_SEARCH))

    def ask(self, prompt: str) -> tuple[str, Usage]:
        documents, query = self._parts(prompt)

        def read(reply: Any) -> tuple[str, Usage]:
            scores = {int(item.index): float(item.relevance_score) for item in reply.results}
            if scores.keys() != set(range(len(documents))):
                raise failures.nonsense(f"it scores {len(scores)} of {len(documents)} documents")
            billed = getattr(getattr(reply.meta, "billed_units", None), "search_units", None)
            searches = float(billed or math.ceil(len(documents) / A_SEARCH))
            return json.dumps([scores[i] for i in range(len(documents))]), Usage(
                1, dollars=self.dollars(0, 0, searches)
            )

        return self.called(lambda c: c.rerank(model=self.name, query=query, documents=documents), read)

    @staticmethod
    def prompt(documents: Sequence[str], query: str) -> str:
        return f"{json.dumps(documents)}\n{query}"

    @staticmethod
    def _parts(prompt: str) -> tuple[list[str], str]:
        documents, _, query = prompt.partition("\n")
        return json.loads(documents), query


def scorer(asked: Live) -> Callable[[list[tuple[str, str]]], list[float]]:
    """(query, text) pairs to scores in [0, 1]: one call a query and 1,000 documents."""

    def score(pairs: list[tuple[str, str]]) -> list[float]:
        texts: dict[str, dict[str, None]] = {}  # query -> its documents, each once, in their order
        for query, text in pairs:
            texts.setdefault(query, {})[text] = None
        batches = [
            (query, list(documents)[start : start + DOCUMENTS])
            for query, documents in texts.items()
            for start in range(0, len(documents), DOCUMENTS)
        ]
        replies = asked([Rerank.prompt(documents, query) for query, documents in batches])
        scores: dict[tuple[str, str], float] = {}
        for (query, documents), reply in zip(batches, replies, strict=True):
            scores |= {(query, d): s for d, s in zip(documents, json.loads(reply), strict=True)}
        return [scores[pair] for pair in pairs]

    return score


def encoder(model: str, settings: Settings) -> Callable[[list[str], str], NDArray[np.float32]]:
    """Texts, and "document" or "query", to vectors of length 1: 96 texts a call, long ones cut at their end.

    The meter hears of calls, tokens and dollars; the seconds are on the clock of who waits.
    """
    api, stop = _Api(model, settings), threading.Event()
    api.prepare()

    def one(texts: list[str], kind: str) -> tuple[list[list[float]], Usage]:
        def read(reply: Any) -> tuple[list[list[float]], Usage]:
            vectors = reply.embeddings.float_
            if len(vectors) != len(texts):
                raise failures.nonsense(f"it has {len(vectors)} vectors for {len(texts)} texts")
            billed = getattr(getattr(reply.meta, "billed_units", None), "input_tokens", None)
            tokens = int(billed or sum(map(prices.tokens, texts)))
            return vectors, Usage(1, tokens, 0, api.dollars(tokens, 0))

        return api.called(
            lambda c: c.embed(
                model=model, texts=texts, input_type=KINDS[kind], embedding_types=["float"], truncate="END"
            ),
            read,
        )

    def encode(texts: list[str], kind: str) -> NDArray[np.float32]:
        rows: list[list[float]] = []
        for start in range(0, len(texts), TEXTS):
            batch = texts[start : start + TEXTS]
            worst = api.dollars(sum(map(live.most_tokens, batch)), 0)
            try:
                vectors, used = live.send(partial(one, batch, kind), worst, settings, stop)
            except Unavailable:
                raise
            except RagkitError as error:
                raise RagkitError(f"{api.model}: {error}; documents encoded until then are kept") from None
            spend(replace(used, seconds=0.0))
            rows += vectors
        whole = np.array(rows, np.float32)
        return np.asarray(whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12), np.float32)

    return encode
