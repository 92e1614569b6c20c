from http import HTTPStatus

from bladehttp import status
from bladehttp.status import PHRASES, phrase

NAMES = {name: code for name, code in vars(status).items() if isinstance(code, int)}

# Codes whose phrase in http.HTTPStatus is another: renamed by RFC 9110, or spelt otherwise.
RENAMED = {413, 414, 416, 418, 422}


def plain(words: str) -> str:
    return words.lower().replace("-", " ")


def test_every_name_has_a_code_of_its_own_and_a_phrase() -> None:
    assert sorted(NAMES.values()) == sorted(PHRASES)


def test_codes_are_in_order() -> None:
    assert list(NAMES.values()) == list(PHRASES) == sorted(PHRASES)


def test_names_are_upper_case_words() -> None:
    assert [
        name for name in NAMES if not name.isupper() or not name.replace("_", "").isalpha()
    ] == []


def test_phrases_are_those_of_the_registry() -> None:
    known = {entry.value: entry.phrase for entry in HTTPStatus}
    both = known.keys() & PHRASES.keys() - RENAMED
    assert {code: plain(PHRASES[code]) for code in both} == {c: plain(known[c]) for c in both}


def test_phrase_of_a_code_without_one_is_empty() -> None:
    assert (phrase(404), phrase(299)) == ("Not Found", "")
