"""What is wrong with a row is said in a sentence."""

from __future__ import annotations

import pytest

from jobs.models import Workflow
from openfn_platform.common.errors import Invalid
from openfn_platform.common.saving import row_save
from openfn_platform.projects.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_row_that_is_well_is_saved():
    workflow = Workflow(project=factories.project(), key="a", name="A")
    row_save(workflow)
    assert Workflow.objects.get() == workflow


def test_only_the_named_columns_are_written():
    workflow = factories.workflow(factories.project(), "Before")
    workflow.name, workflow.description = "After", "not to be written"
    row_save(workflow, only=["name"])
    assert list(Workflow.objects.values_list("name", "description")) == [("After", "")]


def test_the_first_wrong_field_makes_the_sentence_and_all_of_them_are_told():
    with pytest.raises(Invalid, match=r"^Key: Use small letters") as caught:
        row_save(Workflow(project=factories.project(), key="Not a key", name="x" * 121))
    assert set(caught.value.context["errors"]) == {"key", "name"}  # type: ignore[call-overload]  # a dict


def test_a_broken_constraint_is_told_without_the_databases_words():
    workflow = factories.workflow(factories.project())
    told = r"^Key: There is one with this key already; choose another\.$"
    with pytest.raises(Invalid, match=told) as caught:
        row_save(Workflow(project=workflow.project, key=workflow.key, name="Twin"))
    assert caught.value.context["field"] == "key"


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"], ids=["nul", "half a character"])
def test_what_the_database_cannot_keep_is_refused_before(bad):
    with pytest.raises(Invalid, match="Description: A character"):
        row_save(Workflow(project=factories.project(), key="a", name="A", description=bad))
    with pytest.raises(Invalid, match="Changes: A character"):
        row_save(AuditEntry(actor_name="x", action="x", changes={"a": [{"b": bad}]}))
