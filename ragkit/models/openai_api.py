"""Any server that speaks OpenAI's chat API, through the openai client. OPENAI_API_KEY is the key.

A server that is named by its address (Ollama, llama.cpp, vLLM, a company's gateway) may need none. The
client's own retries are off: `live` tries again, within the budget.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragkit import prices
from ragkit.models import failures, live
from ragkit.models.live import Settings
from ragkit.types import Usage

if TYPE_CHECKING:
    from openai import OpenAI

KEYS = ("OPENAI_API_KEY",)
ADDRESS = "OPENAI_BASE_URL"


class Chat:
    """A language model behind OpenAI's chat/completions, as a `live.Service`."""

    def __init__(self, model: str, url: str | None, settings: Settings) -> None:
        url = url or os.environ.get(ADDRESS)
        self.name, self.settings = model, settings
        self.url = failures.address(url, "the base-url") if url else None
        self.model = f"openai:{model}@{self.url}" if self.url else f"openai:{model}"
        self.parameters: Mapping[str, Any] = {
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
        }

    def prepare(self) -> None:
        """Raises Unavailable without a key, if no address says that another server is meant."""
        if self.url is None or os.environ.get(KEYS[0]):
            failures.key(KEYS, "OpenAI")
        self._dollars(0, 0)
        _ = self._client

    @cached_property
    def _client(self) -> OpenAI:
        from openai import OpenAI

        key = os.environ.get(KEYS[0], "").strip() or "none"  # the client wants one, also where none is needed
        return OpenAI(api_key=key, base_url=self.url, timeout=self.settings.timeout, max_retries=0)

    def _dollars(self, tokens_in: float, tokens_out: float) -> float:
        price = live.priced(self.name, failures.on_this_machine(self.url), self.settings.dollars)
        return math.nan if price is None else price.dollars(tokens_in, tokens_out)

    def worst(self, prompt: str) -> float:
        return self._dollars(live.most_tokens(prompt), self.settings.max_tokens)

    def ask(self, prompt: str) -> tuple[str, Usage]:
        import openai

        try:
            reply = self._client.chat.completions.create(
                model=self.name,
                messages=[{"role": "user", "content": prompt}],
                temperature=self.settings.temperature,
                max_tokens=self.settings.max_tokens,
            )
            return self._read(reply, prompt)
        except failures.Failure:
            raise
        except openai.APIConnectionError as error:  # a timeout is one
            if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):
                failure = failures.unreached(error, self.url or "OpenAI")
            else:
                failure = failures.cut(error)
        except openai.APIStatusError as error:
            said = error.body or error.message
            failure = failures.refused(error.status_code, error.response.headers, said, KEYS)
        except (openai.OpenAIError, AttributeError, TypeError, LookupError, ValueError) as error:
            failure = failures.nonsense(f"it is not what the API promises ({type(error).__name__})")
        raise failure

    def _read(self, reply: Any, prompt: str) -> tuple[str, Usage]:
        choice = reply.choices[0]
        text = choice.message.content
        if not isinstance(text, str) or not (text or choice.finish_reason == "stop"):
            raise failures.nonsense(f"it has no text (finish_reason {choice.finish_reason})")
        tokens_in = int(getattr(reply.usage, "prompt_tokens", None) or prices.tokens(prompt))
        tokens_out = int(getattr(reply.usage, "completion_tokens", None) or prices.tokens(text))
        return text, Usage(1, tokens_in, tokens_out, self._dollars(tokens_in, tokens_out))
