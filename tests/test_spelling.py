import pytest

from ragkit.spelling import Speller
from ragkit.types import RagkitError

CORPUS = {
    "a": "The T210 controller in Naivasha: Tiel's valve, the valve of the ondernemingsraad",
    "b": "vane vane vane",
}


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(CORPUS)


def test_an_unknown_word_becomes_the_known_one_a_letter_away(speller: Speller) -> None:
    assert speller({"q": "The controler, frist batery?"}) == {"q": "The controller, first battery?"}


def test_words_of_the_documents_stay_though_english_does_not_know_them(speller: Speller) -> None:
    told = {"q": "Naivasha, the ondernemingsraad and Tiel\u2019s T210"}
    assert speller(told) == told
    assert Speller({})(told) != told  # English alone makes something else of them


def test_of_the_words_that_are_near_the_documents_own_comes_first(speller: Speller) -> None:
    # valne: "valve" (twice in the documents) and "vane" (three times) are one letter away; so is "value"
    assert speller.corrections("valne") == {"valne": "vane"}
    assert Speller({"a": "valve"}).corrections("valne") == {"valne": "valve"}


def test_capitals_possessives_and_short_words(speller: Speller) -> None:
    assert speller.corrections("Naivasah") == {"Naivasah": "Naivasha"}
    assert speller.corrections("the custmer's wrd T21O") == {"custmer's": "customer's"}


def test_what_nothing_is_near_stays(speller: Speller) -> None:
    assert speller({"q": "qqqzzzxxq", "empty": ""}) == {"q": "qqqzzzxxq", "empty": ""}
    long = "n" * 60
    assert speller({"q": long}) == {"q": long}


def test_two_edits_are_looked_for_only_when_asked_and_only_after_one() -> None:
    assert Speller(CORPUS).corrections("cntrlller") == {}
    assert Speller(CORPUS, edits=2).corrections("cntrlller") == {"cntrlller": "controller"}
    assert Speller(CORPUS, edits=2).corrections("valne") == {"valne": "vane"}
    with pytest.raises(RagkitError, match="expected 1 or 2"):
        Speller({}, edits=3)


def test_it_says_what_it_costs(speller: Speller) -> None:
    assert speller.build_seconds > 0
    assert speller.size_bytes - Speller({}).size_bytes == 100 * 10  # ten different words in CORPUS
