"""value(path)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.language.errors import JobError, MissingValue
from jobs.language.paths import read
from tests.jobs.language.desk import run_job

MESSAGE = {
    "form": {
        "national_id": "7",
        "names": [{"family": "Diallo"}, {"family": "Sow"}],
        "@id": "i",
        "#text": "t",
        "a.b": {"c": 1},
        "case": None,
        "0": "zero",
    },
    "": "nothing",
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("form.national_id", "7"),
        ("form.names.0.family", "Diallo"),
        ("form.names[1].family", "Sow"),
        ("form.names[-1].family", "Sow"),
        ("form.@id", "i"),
        ("form.#text", "t"),
        ('form["a.b"].c', 1),
        ("form['a.b'].c", 1),
        ('["form"].@id', "i"),
        ("form.case", None),
        ("form.0", "zero"),
        ("form[0]", "zero"),
        ('[""]', "nothing"),
    ],
)
def test_a_path_leads_to_its_value(path, found):
    assert read(MESSAGE, path) == found


@pytest.mark.parametrize("path", ["form.nope", "form.case.x", "form.names[7]", "form.names.x", "form.@id.x"])
def test_an_absent_path_gives_the_default(path):
    assert read(MESSAGE, path, default="d") == "d"
    assert read(MESSAGE, path, default=None) is None


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "form.natid",
            (
                "`form.natid` is not in the message; `form` has: "
                "national_id, names, @id, #text, a.b, case, 0; did you mean `national_id`?"
            ),
        ),
        ("from", "`from` is not in the message; the message has: form, ; did you mean `form`?"),
        ("form.names[7]", "`form.names[7]` is not in the message; `form.names` has 2 items"),
        (
            "form.names.family",
            (
                "`form.names.family` is not in the message; `form.names` is a list of 2 items, "
                "so write for example `form.names[0].family`"
            ),
        ),
        ("form.case.id", "`form.case.id` is not in the message; `form.case` is empty (null)"),
        ("form.@id.x", "`form.@id.x` is not in the message; `form.@id` is text, not an object"),
        ('form["a.b"].d', '`form["a.b"].d` is not in the message; `form["a.b"]` has: c'),
    ],
)
def test_an_absent_path_without_default_names_what_is_there(path, sentence):
    with pytest.raises(MissingValue) as missing:
        read(MESSAGE, path)
    assert str(missing.value) == sentence


def test_long_lists_of_names_are_cut_and_counted():
    with pytest.raises(MissingValue) as missing:
        read({"x" * 500: 1, **{f"field_{n}": n for n in range(100)}}, "zzz")
    assert "and 81 more" in str(missing.value)
    assert len(str(missing.value)) < 500


@pytest.mark.parametrize("path", ["", ".a", "a[", "a[b]", 'a["b', "a..b", "a]"])
def test_a_path_that_is_none_is_refused_in_a_sentence(path):
    with pytest.raises(JobError, match="path"):
        read({"a": {"b": 1}}, path)


@given(st.text(max_size=30))
def test_any_text_gives_a_default_or_a_sentence(path):
    sentence = ""
    try:
        read(MESSAGE, path, default=None)
    except JobError as error:
        sentence = str(error)
    assert not sentence or "path" in sentence


def test_value_reads_far_into_any_object():
    code = "row = {'names': [{'family': 'Sow'}]}\nstate.data = [value('names[0].family', of=row), value('age', 0, of=row)]"
    assert run_job(code).final["data"] == ["Sow", 0]
    assert (
        "`age` is not in the object; the object has: names"
        in run_job("value('age', of={'names': 1})").message
    )


def test_a_path_must_be_text():
    with pytest.raises(JobError, match="A path is text, not an int"):
        read({}, 5)  # type: ignore[arg-type]
