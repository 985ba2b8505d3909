"""What is found by which word, and that any text can be searched for and stored."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from openfn_platform.common.words import MOST_BYTES, words_of, words_wanted


def found(words: str, wanted: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::tsvector @@ %s::tsquery", [words, wanted])
        (answer,) = cursor.fetchone()
    return bool(answer)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('{"name": "Amina Diallo"}', "amina"),
        ('{"name": "Amina Diallo"}', "DIAL ami"),
        (json.dumps({"name": "Aïssatou Ömer"}), "aissatou"),
        (json.dumps({"name": "Aïssatou"}, ensure_ascii=False), "Aïss"),
        (json.dumps({"note": "first line\nsecond"}), "second"),
        ("To=%2B22890112233&Body=Bonjour+A%C3%AFssatou", "+22890112233"),
        ("To=%2B22890112233&Body=Bonjour+A%C3%AFssatou", "bonjour aïssatou"),
        ("<n:name>M&#228;rz &amp; April</n:name>", "märz april"),
        ("https://dhis2.example/api/dataValueSets?orgUnit=DiszpKrYNg8", "dataValueSets"),
        ("https://dhis2.example/api/dataValueSets?orgUnit=DiszpKrYNg8", "DiszpKr dhis2.example"),
        ('{"id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}', "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"),
        ('{"at": "2026-03-06", "weight": 61.5}', "2026-03-06 61.5"),
        ("patient_id", "patient"),
        ("ኣበበ በሶ በላ", "በሶ"),
    ],
)  # fmt: skip
def test_a_word_is_found_as_people_write_it(text, asked):
    assert found(words_of(text), words_wanted(asked))


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["mina", "diallo keita", "ami-keita"])
def test_the_middle_of_a_word_and_a_word_that_is_not_there_find_nothing(asked):
    assert not found(words_of('{"name": "Amina Diallo"}'), words_wanted(asked))


def test_a_question_without_a_word_asks_nothing():
    assert [words_wanted(text) for text in ("", " & | ! :* ' ", "x", "é")] == ["", "", "", ""]


@pytest.mark.django_db
@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_becomes_words_that_postgresql_takes_and_finds_again(text):
    words, wanted = words_of(text), words_wanted(text)
    assert not wanted or found(words, wanted)


@pytest.mark.django_db
def test_a_text_of_nothing_but_different_words_fits_into_a_column():
    text = " ".join(f"ⴰⵣⵓⵍ{number}" for number in range(100_000))
    words = words_of(text)
    assert len(words.encode()) <= MOST_BYTES
    assert found(words, words_wanted("ⴰⵣⵓⵍ77"))
