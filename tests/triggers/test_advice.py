"""The page of refusals knows what to do about everything that an inbox can say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import runs.intake  # noqa: F401  # it loads everything that can refuse
from triggers import advice
from triggers.bodies import Refused


def kinds(base: type[Refused]) -> Iterator[type[Refused]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


KINDS = sorted(kinds(Refused), key=lambda kind: kind.code)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_there_is_advice_on_every_refusal(kind: type[Refused]):
    assert advice.advice_on(kind.code) != advice.advice_on("unheard of")


def test_two_refusals_have_no_code_in_common():
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes))
