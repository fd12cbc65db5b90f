from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.features.columns import column_of
from engine.features.texts import ngrams
from engine.spec.feature import TextUnit


def words(values: list[object], *sizes: int) -> list[list[str]]:
    result: list[list[str]] = ngrams(column_of(values), TextUnit.WORDS, sizes).to_pylist()
    return result


def characters(values: list[object], *sizes: int) -> list[list[str]]:
    result: list[list[str]] = ngrams(column_of(values), TextUnit.CHARACTERS, sizes).to_pylist()
    return result


def test_words_are_lower_cased_and_parted_by_whatever_is_no_letter_or_digit() -> None:
    assert words(["Hello, Wörld — it's 2020!"], 1) == [["hello", "wörld", "it", "s", "2020"]]


def test_pairs_of_words_stay_within_their_text() -> None:
    assert words(["a b c", "d", "e f"], 2) == [["a b", "b c"], [], ["e f"]]
    assert words([["a b", "c d"]], 2) == [["a b", "c d"]]


def test_several_sizes_come_in_the_order_in_which_they_begin() -> None:
    assert words(["a b c"], 1, 2) == [["a", "a b", "b", "b c", "c"]]


def test_characters_count_letters_not_bytes_and_one_space_between_words() -> None:
    assert characters(["Ab  Ü!"], 3) == [["ab ", "b ü"]]
    assert characters(["é"], 1) == [["é"]]


def test_what_is_no_text_has_none() -> None:
    assert words([None, "", "!!", "x"], 1) == [[], [], [], ["x"]]
    assert words([1, None], 1) == [[], []]
    assert words([1, "a b", {"k": 1}], 1) == [[], ["a", "b"], []]
    assert characters([None, "…"], 2) == [[], []]
    assert words([], 1) == [] and characters([], 2) == []


def test_equal_looking_texts_have_equal_words() -> None:
    assert words(["ﬁne", "é"], 1) == words(["fine", "é"], 1)


TEXT = st.text(st.sampled_from("aBüЖ東é 1.-"), max_size=12)


@given(st.lists(st.none() | TEXT, max_size=5), st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True))
def test_ngrams_equal_those_of_a_loop_in_python(texts: list[str | None], sizes: list[int]) -> None:
    def normalised(text: str) -> list[str]:
        return [word for word in re.split(r"[^\w]+", unicodedata.normalize("NFKC", text).lower()) if word]

    def runs(units: list[str], joint: str) -> list[str]:
        starts = ((start, size) for start in range(len(units)) for size in sizes if start + size <= len(units))
        return [joint.join(units[start : start + size]) for start, size in starts]

    lists = [normalised(text or "") for text in texts]
    assert words(list(texts), *sizes) == [runs(each, " ") for each in lists]
    assert characters(list(texts), *sizes) == [runs(list(" ".join(each)), "") for each in lists]
