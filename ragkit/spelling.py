"""Spelling: what neither the documents nor English knows becomes the word that was probably meant."""

from __future__ import annotations

import re
from collections import Counter
from time import perf_counter

from ragkit.types import Corpus, Queries, RagkitError

APOSTROPHE = "\u2019"  # as it is printed; the word lists have the typewriter's
WORD = re.compile(rf"[^\W_]+(?:['{APOSTROPHE}][^\W\d_]+)*")  # letters and digits, apostrophes inside
SHORTEST = 4  # letters: of a shorter unknown word too many others are one letter away


class Speller:
    """Corrects the words of a question that neither the documents nor pyspellchecker's English list has.

    Norvig 2007 (How to Write a Spelling Corrector): the known words one edit away (a letter put in, taken
    out or changed, or two neighbours swapped), else, where `edits` is 2, two edits away; of these the one
    that the documents have most often, then the one most common in English. Words with digits (T210) and
    words under four letters stay as they are. Without documents it is what English alone makes of a
    question. `build_seconds`, `size_bytes`: of the two word lists, the latter an estimate. Raises
    RagkitError for another number of edits.
    """

    def __init__(self, corpus: Corpus, edits: int = 1) -> None:
        if edits not in (1, 2):
            raise RagkitError(f"spelling.Speller: edits is {edits}: expected 1 or 2 (2 is slow)")
        from spellchecker import SpellChecker

        start = perf_counter()
        self._counts = Counter(word for text in corpus.values() for word in _words(text))
        self._checker = SpellChecker(language="en", distance=edits)
        self._english = {word: self._checker[word] for word in self._checker}
        # words with digits are known, but no word is a misspelt one of them
        self._checker.word_frequency.load_words([word for word in self._counts if _is_word(word)])
        self.build_seconds = perf_counter() - start
        # as retrieve.RankBM25 has it: a Python dict's entry of two small objects takes about 100 bytes
        self.size_bytes = 100 * (len(self._counts) + len(self._english))

    def __call__(self, queries: Queries) -> Queries:
        """The questions with their corrections; all else, and all that is known, as it was."""
        return {query_id: WORD.sub(self._corrected, text) for query_id, text in queries.items()}

    def corrections(self, text: str) -> dict[str, str]:
        """Each word of a text that is changed -> what it becomes."""
        words = {match[0]: self._corrected(match) for match in WORD.finditer(text)}
        return {word: corrected for word, corrected in words.items() if word != corrected}

    def _corrected(self, match: re.Match[str]) -> str:
        word = _plain(match[0])
        stem = word.removesuffix("'s")
        if len(stem) < SHORTEST or not _is_word(stem) or self._knows(word) or self._knows(stem):
            return match[0]
        near = self._checker.candidates(stem)
        if not near or stem in near:  # nothing is near, or it is too long to be looked for
            return match[0]
        # the library takes any of those that are equally common; here the alphabet decides
        best = max(near, key=lambda other: (self._counts[other], self._english.get(other, 0), other))
        return (best.capitalize() if match[0][0].isupper() else best) + word[len(stem) :]

    def _knows(self, word: str) -> bool:
        return word in self._counts or word in self._english


def _words(text: str) -> list[str]:
    return [_plain(word) for word in WORD.findall(text)]


def _plain(word: str) -> str:
    return word.replace(APOSTROPHE, "'").lower()


def _is_word(word: str) -> bool:
    return word.replace("'", "").isalpha()
