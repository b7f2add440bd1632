"""What language models cost, as their makers and hosts published it: a dated table."""

from __future__ import annotations

from dataclasses import dataclass

CHARACTERS_A_TOKEN = 4.0  # of English, where tokens were not recorded


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens, seconds to the first token, tokens a second after it; who says so, when."""

    dollars_in: float
    dollars_out: float
    first_token: float
    tokens_a_second: float
    source: str
    date: str

    def dollars(self, tokens_in: float, tokens_out: float) -> float:
        """Of one call."""
        return (tokens_in * self.dollars_in + tokens_out * self.dollars_out) / 1e6

    def seconds(self, tokens_out: float) -> float:
        """Of one call, on a host that does nothing else."""
        return self.first_token + tokens_out / self.tokens_a_second


PRICES = {
    "command-r-08-2024": Price(
        dollars_in=0.15,
        dollars_out=0.60,
        first_token=0.52,
        tokens_a_second=66.43,
        source="dollars: Cohere's price list, as docs.flexprice.io shows it; seconds: Oracle's benchmark of "
        "the model on one small unit, one request at a time, prompts of 480 and answers of 300 tokens",
        date="2026-11-11",
    )
}


def tokens(text: str) -> float:
    """An estimate for a text whose tokens nobody counted."""
    return len(text) / CHARACTERS_A_TOKEN
