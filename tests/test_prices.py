"""The table of prices, and what a call costs by it."""

import math
import re

import pytest

from ragkit.prices import FREE, PRICES, Price, break_even, tokens


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


WAITING = Price(1.00, 2.00, "somebody", "2026-11-22", waits=((100, 1.0), (300, 2.0)))


@pytest.mark.parametrize(("size", "seconds"), [(10, 1.0), (100, 1.0), (150, 1.25), (300, 2.0)])
def test_the_wait_for_a_prompt_lies_on_a_line_between_the_sizes_measured(size: int, seconds: float) -> None:
    assert WAITING.wait(size) == pytest.approx(seconds)


def test_beyond_what_was_measured_the_wait_is_not_known() -> None:
    assert math.isnan(WAITING.wait(301))
    assert math.isnan(PRICES["gpt-4.1"].wait(10))


def test_an_index_pays_from_the_question_on_that_brings_its_price_back() -> None:
    assert break_even(10, 1, 3) == 5  # 10 + 5 x 1 = 5 x 3
    assert break_even(11, 1, 3) == 6
    assert break_even(10, 3, 3) == math.inf
