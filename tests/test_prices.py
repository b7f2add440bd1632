"""The table of prices, and what a call costs by it."""

import math
import re

import pytest

from ragkit.prices import FREE, PRICES, Price, tokens


def test_tokens_and_searches_are_priced_by_their_units() -> None:
    price = Price(2.50, 10.00, "somebody", "2026-11-22", searches=2.00)
    # 1,000 tokens in, 200 out, 3 searches: 0.0025 + 0.002 + 0.006
    assert price.dollars(1000, 200, 3) == pytest.approx(0.0105)
    assert price.dollars(1000, 200) == pytest.approx(0.0045)
    assert FREE.dollars(1e6, 1e6, 1e6) == 0


def test_seconds_are_known_only_where_somebody_measured_them() -> None:
    assert PRICES["command-r-08-2024"].seconds(66.43) == pytest.approx(0.52 + 1)
    assert math.isnan(PRICES["command-a-03-2025"].seconds(10))


@pytest.mark.parametrize("model", PRICES)
def test_every_price_has_a_source_and_a_date(model: str) -> None:
    price = PRICES[model]
    assert len(price.source) > 10
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])(-\d\d)?", price.date)
    assert price.dollars_in > 0 or price.searches > 0
    assert min(price.dollars_in, price.dollars_out, price.searches) >= 0
    assert price.dollars_in <= price.dollars_out or price.dollars_out == 0  # an encoder writes nothing


def test_tokens_are_estimated_at_four_characters() -> None:
    assert tokens("eight ch") == 2
    assert tokens("") == 0
