"""What language models cost, as their makers and hosts published it: a dated table.

To add a model: one line in PRICES, with who says so and when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CHARACTERS_A_TOKEN = 4.0  # of English, where tokens were not recorded


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens and per 1,000 searches; who says so, when.

    first_token (seconds) and tokens_a_second: for a model that answers are modelled on; else not known.
    cached_in: dollars per million tokens that the host has kept from the prompt before; window: the tokens
    that a prompt may have; waits: (tokens of a prompt, seconds to the first token), as somebody measured.
    """

    dollars_in: float
    dollars_out: float
    source: str
    date: str  # of the look-up, or of the source where it gives one
    searches: float = 0.0
    first_token: float = math.nan
    tokens_a_second: float = math.nan
    cached_in: float = math.nan
    window: float = math.nan
    waits: tuple[tuple[float, float], ...] = ()

    def dollars(self, tokens_in: float, tokens_out: float, searches: float = 0) -> float:
        """Of one call."""
        return (tokens_in * self.dollars_in + tokens_out * self.dollars_out) / 1e6 + (
            searches * self.searches / 1000
        )

    def seconds(self, tokens_out: float) -> float:
        """Of one call, on a host that does nothing else; nan where nobody measured it."""
        return self.first_token + tokens_out / self.tokens_a_second

    def wait(self, tokens_in: float) -> float:
        """Seconds to the first token after a prompt of so many tokens: on a line between those measured.

        A shorter prompt than all measured waits as long as the shortest; nan beyond the longest.
        """
        if not self.waits:
            return math.nan
        sizes, seconds = zip(*self.waits, strict=True)
        return float(np.interp(tokens_in, sizes, seconds, right=math.nan))


_BIFROST = "Cohere's price, as the model library of Bifrost (Maxim) lists it"
_PUTER = "Cohere's price list, as Puter's tutorial on Cohere's prices shows it"
_OPENAI = "OpenAI's price list, as Aumiqx's guide to it shows it; DeployBase's of March has the same"

PRICES = {
    "command-r-08-2024": Price(
        dollars_in=0.15,
        dollars_out=0.60,
        first_token=0.52,
        tokens_a_second=66.43,
        source="dollars: Cohere's price list, as docs.flexprice.io shows it; seconds: Oracle's benchmark of "
        "the model on one small unit, one request at a time, prompts of 480 and answers of 300 tokens",
        date="2026-11-11",
    ),
    "command-a-03-2025": Price(2.50, 10.00, f"{_BIFROST}; Glama has the same", "2026-11-22"),
    "command-r-plus-08-2024": Price(2.50, 10.00, _BIFROST, "2026-11-22"),
    "command-r7b-12-2024": Price(0.0375, 0.15, _PUTER, "2026-06"),
    "rerank-v3.5": Price(
        0, 0, "Cohere's price, as MemberJunction's page on its Cohere reranker quotes it", "2026-04",
        searches=2.00,
    ),
    "rerank-v4.0-fast": Price(0, 0, _PUTER, "2026-06", searches=2.00),
    "rerank-v4.0-pro": Price(0, 0, _PUTER, "2026-06", searches=2.50),
    "embed-v4.0": Price(0.12, 0, f"{_PUTER}; Bifrost has the same", "2026-06"),
    "gpt-4.1": Price(2.00, 8.00, _OPENAI, "2026-04"),
    "gpt-4.1-mini": Price(0.40, 1.60, _OPENAI, "2026-04"),
    "gpt-4.1-nano": Price(
        dollars_in=0.10,
        dollars_out=0.40,
        cached_in=0.025,
        window=1_047_576,
        waits=((250, 0.176), (16_000, 0.359), (64_000, 0.882), (150_250, 1.730), (250_000, 4.876)),
        source=f"dollars: {_OPENAI}; cached: OrcaRouter's and LLMPricing's pages on the model; window: Simon "
        "Willison's note on the release, 14 April 2025; waits: 0xmmo, Small Model Forensics, 13 May 2026, "
        "table 1: the shortest of repeated calls, without the network, prompts of 1 to 1,000 kB (4 bytes "
        "a token)",
        date="2026-04",
    ),
    "gpt-4o": Price(2.50, 10.00, _OPENAI, "2026-04"),
    "gpt-4o-mini": Price(0.15, 0.60, _OPENAI, "2026-04"),
}  # fmt: skip
FREE = Price(0, 0, "a model on this machine", "")


def tokens(text: str) -> float:
    """An estimate for a text whose tokens nobody counted."""
    return len(text) / CHARACTERS_A_TOKEN


def break_even(once: float, each: float, instead: float) -> float:
    """The questions from which `once`, and then `each`, is no more than `instead` each; inf where never."""
    return math.ceil(once / (instead - each)) if instead > each else math.inf
