"""The names in scope."""

import datetime as dt
from typing import Any

import pytest

from jobs.language.python import helpers
from jobs.language.scope import HELPERS, NAMES, RUN_FACTS
from tests.jobs.language.desk import Memory, connection, run_job

HERE: dict[str, Any] = {"steps": ("first", "second"), "settings": {"location": "L1", "id_type": "T"}}


def final(code, state=None, **options):
    done = run_job(code, state, **options)
    assert done.outcome == "success", done.failure
    return done.final


def test_every_documented_name_is_in_scope_and_every_helper_is_documented():
    names = [name.name for name in NAMES]
    assert final("state.data = sorted(names)".replace("names", repr(names)))["data"] == sorted(names)
    for name in names:
        assert final(f"state.x = {name} is not None  # http")["x"] is True
    assert set(HELPERS) <= set(names)
    assert len(names) == len(set(names))


def test_helpers_do_what_their_examples_say():
    help_of = {name.name: name.example for name in NAMES}
    for helper in ("dates", "csv", "phones"):
        function = help_of[helper].partition(f"{helper}.")[2].partition("(")[0]
        assert callable(getattr(helpers()[helper], function))
    assert final("state.x = list(chunks([1, 2, 3], 2))")["x"] == [[1, 2], [3]]
    assert final("state.x = jsonpath('$..a', state.data)", {"data": {"b": {"a": 1}}})["x"] == [1]


def test_settings_are_read_by_attribute_or_key():
    assert final("state.x = [settings.location, settings['id_type'], settings.get('no', 1)]", **HERE)[
        "x"
    ] == ["L1", "T", 1]


def test_a_setting_that_does_not_exist_is_told():
    done = run_job("settings.locaton", **HERE)
    assert done.message == (
        "This job has no setting `locaton`; it has: location, id_type; did you mean `location`?"
    )
    assert "only" not in done.message
    assert run_job("settings.x = 1", **HERE).message.startswith("Settings are changed on the job's page")


def test_an_earlier_step_is_fetched_when_used_and_only_once():
    memory = Memory(steps={"first": {"data": {"uuid": "u"}}})
    code = "state.x = steps['first'].data['uuid'] + steps['first']['data']['uuid']"
    assert final(code, channel=memory, **HERE)["x"] == "uu"
    assert memory.asked == ["step.state"]
    assert final("state.x = 'first' in steps and list(steps)", channel=memory, **HERE)["x"] == [
        "first",
        "second",
    ]
    assert memory.asked == ["step.state"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "steps['frist']",
            '`steps["frist"]` is no earlier job of this work order; there are: first, second; did you mean `first`?',
        ),
        (
            "steps['second']",
            '`steps["second"]` has no final state: it did not run, or its state was removed.',
        ),
        ("steps['first'].data = 1", '`steps["first"]` can only be read here.'),
    ],
)
def test_what_an_earlier_step_cannot_give_is_told(code, sentence):
    done = run_job(code, channel=Memory(steps={"first": {"data": 1}}), **HERE)
    assert (done.outcome, done.message) == ("failed", sentence)


def test_a_silent_platform_fails_the_run_with_a_sentence():
    done = run_job("steps['first']", channel=Memory(broken=True), **HERE)
    assert (done.outcome, done.failure.kind, done.failure.retryable) == ("failed", "platform", True)
    assert done.message == "The platform did not answer the job: the supervisor is gone"


def test_run_knows_its_facts():
    facts = {
        "trigger": "weekly",
        "scheduled_for": "2026-03-06T22:00:00+00:00",
        "period": ("2026-02-27T22:00:00+00:00", "2026-03-06T22:00:00+00:00"),
        "time_zone": "Africa/Dakar",
    }
    code = "start, end = run.period\nstate.x = [start < end, end == run.scheduled_for, str(end.tzinfo), run.dry, run.job]"
    assert final(code, facts=facts)["x"] == [True, True, "Africa/Dakar", False, "register"]
    assert final(f"state.x = [hasattr(run, name) for name in {list(RUN_FACTS)}]")["x"] == [True] * len(
        RUN_FACTS
    )


def test_the_period_is_in_the_zone_of_the_trigger():
    facts = {
        "period": ("2026-03-28T23:30:00+00:00", "2026-03-29T23:30:00+00:00"),
        "time_zone": "Europe/Paris",
    }
    assert final("state.x = [t.isoformat() for t in run.period]", facts=facts)["x"] == [
        "2026-03-29T00:30:00+01:00",
        "2026-03-30T01:30:00+02:00",
    ]


def test_a_run_without_schedule_has_no_period_and_says_so():
    assert final("state.x = run.period is None")["x"] is True
    done = run_job("start, end = run.period")
    assert done.message == "This run has no period: only a run that a schedule started has one"


def test_run_cannot_be_changed_and_tells_its_names():
    assert run_job("run.id = 'x'").message == "`run` can only be read."
    assert "did you mean `attempt`?" in run_job("run.atempt").message


def test_lines_are_logged_with_their_level_and_print_is_a_line():
    code = "log('a', 1, {'b': None})\nlog.warning('w')\nlog.error('e')\nlog.debug('d')\nlog.info('i')\nprint('x', 2, sep='-')"
    assert run_job(code).lines() == [
        ("info", 'a 1 {"b": null}'),
        ("warning", "w"),
        ("error", "e"),
        ("debug", "d"),
        ("info", "i"),
        ("info", "x-2"),
    ]


def test_print_keeps_its_habits():
    code = "print('a', end='')\nprint('b\\nc')\nimport io\nf = io.StringIO()\nprint('f', file=f)\nstate.x = f.getvalue()\nprint('end', end='')"
    done = run_job(code)
    assert [text for _, text in done.lines()] == ["ab", "c", "end"]
    assert done.final["x"] == "f\n"


def test_a_very_long_line_is_cut():
    [(_, text)] = run_job("log('x' * 1_000_000)").lines()
    assert len(text) == 16_000


def test_the_last_note_stands_and_is_one_line():
    assert run_job("note('one')\nnote('two\\n  lines')").result.note == "two lines"


def test_problems_are_counted_beyond_those_that_are_kept():
    result = run_job("for n in range(1500):\n    problem(n, 'no birth date')").result
    assert (result.outcome, result.problem_count, len(result.problems)) == ("success", 1500, 1000)
    assert result.problems[0] == ("0", "no birth date")


def test_skip_before_anything_was_done_makes_the_run_skipped():
    done = run_job("state.a = 1\nskip('no consent')\nstate.a = 2")
    assert (done.outcome, done.result.note, done.result.failure) == ("skipped", "no consent", None)


def test_skip_is_not_caught_by_a_job_that_catches_exceptions():
    assert run_job("try:\n    skip('no consent')\nexcept Exception:\n    fail('caught')").outcome == "skipped"


def test_skip_after_something_was_done_is_a_success_with_a_warning():
    done = run_job("once('sms', lambda: 1)\nskip('the rest is not ours')")
    assert (done.outcome, done.result.note) == ("success", "the rest is not ours")
    assert done.lines(source="platform")[-1][0] == "warning"


def test_fail_ends_the_run_with_the_authors_sentence():
    done = run_job("fail('two patients have this number', hint='merge them')")
    assert (done.outcome, done.failure.type, done.failure.kind) == ("failed", "JobError", "job")
    assert (done.message, done.failure.hint, done.failure.line) == (
        "two patients have this number",
        "merge them",
        1,
    )
    assert done.failure.retryable is False


def test_the_echo_guard_compares_content_not_only_the_id():
    memory = Memory()
    code = "sync.wrote('dhis2', 7, {'a': 1, 'b': date})\nstate.x = [sync.came_from_us('dhis2', '7', {'b': '2026-01-01', 'a': 1}), sync.came_from_us('dhis2', 7, {'a': 2})]"
    code = "import datetime\ndate = datetime.date(2026, 1, 1)\n" + code
    assert final(code, channel=memory)["x"] == [True, False]


def test_a_dry_run_remembers_nothing():
    memory = Memory()
    code = "sync.wrote('dhis2', 7, 1)\nstate.x = [once('k', lambda: 5), run.dry]"
    assert final(code, channel=memory, facts={"mode": "dry"})["x"] == [5, True]
    assert memory.asked == []


def test_an_alias_takes_the_place_of_a_helper_but_not_of_the_language():
    connections = (connection("csv", "http"), connection("state", "http"))
    code = "state.x = [type(csv).__name__, type(state).__name__]"
    assert final(code, connections=connections)["x"] == ["object", "State"]


def test_dates_of_the_helpers_are_stored_as_text():
    assert final("state.x = dates.day('2026-03-01')")["x"] == dt.date(2026, 3, 1).isoformat()
