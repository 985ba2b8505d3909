"""Who may do what, and who may know that a project exists."""

from __future__ import annotations

from functools import partial

import pytest

from openfn_platform.common.errors import NotAllowed, NotFound
from openfn_platform.projects.actors import (
    NOBODY,
    PLATFORM,
    Actor,
    require,
    require_superuser,
    require_to_connect,
)
from openfn_platform.projects.founding import project_archive, project_change
from openfn_platform.projects.membering import member_add
from openfn_platform.projects.models import Membership, Project, Role, Scope
from openfn_platform.projects.scoping import scoped, visible_projects
from openfn_platform.projects.tokens import token_create
from tests import factories

pytestmark = pytest.mark.django_db
RANKS = list(Role)


@pytest.fixture
def cast():
    return factories.cast()


@pytest.mark.parametrize("role", RANKS)
def test_a_role_may_what_the_ones_below_it_may_and_no_more(cast, role):
    actor = Actor(user=cast.of(role))
    assert [each for each in RANKS if actor.may(cast.project, each)] == RANKS[: RANKS.index(role) + 1]


def test_an_outsider_does_not_learn_that_the_project_exists(cast):
    with pytest.raises(NotFound):
        require(cast.outsider, cast.project, Role.VIEWER)


def test_a_member_of_too_low_a_role_is_told_which_one_it_takes(cast):
    with pytest.raises(NotAllowed, match="an editor or higher"):
        require(cast.operator, cast.project, Role.EDITOR)


def test_a_superuser_needs_no_membership(cast):
    actor = require(cast.superuser, cast.project, Role.OWNER)
    assert actor.may_see_data(cast.project)


def test_nobody_may_nothing_and_the_platform_everything(cast):
    assert NOBODY.role_in(cast.project) is None
    assert not NOBODY.is_superuser
    assert PLATFORM.role_in(cast.project) == Role.OWNER


def test_somebody_who_was_switched_off_is_an_outsider_at_once(cast):
    for person in (cast.owner, cast.superuser):
        person.is_active = False
        assert Actor(user=person).role_in(cast.project) is None


def test_only_who_runs_the_installation_passes_as_superuser(cast):
    assert require_superuser(cast.superuser).is_superuser
    with pytest.raises(NotAllowed):
        require_superuser(cast.owner)


@pytest.mark.parametrize(
    ("scopes", "role", "data"),
    [
        ((Scope.INTAKE,), None, False),
        ((Scope.READ,), Role.VIEWER, False),
        ((Scope.READ_DATA,), Role.VIEWER, True),
        ((Scope.OPERATE,), Role.OPERATOR, False),
        ((Scope.READ, Scope.DEPLOY), Role.EDITOR, False),
        ((Scope.DEPLOY, Scope.READ_DATA), Role.EDITOR, True),
    ],
)
def test_a_token_may_what_its_scopes_say(cast, scopes, role, data):
    token, _ = factories.token(cast.project, *scopes)
    actor = Actor(token=token)
    assert actor.role_in(cast.project) == role
    assert actor.may_see_data(cast.project) is data
    assert actor.role_in(Membership.objects.get(user=cast.outsider).project_id) is None


def test_a_token_that_a_superuser_made_is_no_superuser(cast):
    token, _ = factories.token(cast.project, Scope.DEPLOY)
    assert not Actor(user=cast.superuser, token=token).is_superuser


@pytest.mark.parametrize("scope", list(Scope))
def test_only_deploy_hands_on_the_right_to_connect_other_systems(cast, scope):
    token, _ = factories.token(cast.project, scope)
    actor = Actor(token=token)
    assert actor.may_connect(cast.project) is (scope == Scope.DEPLOY)
    assert not actor.may(cast.project, Role.ADMIN)  # tokens and owners stay with people
    assert not actor.may_connect(Membership.objects.get(user=cast.outsider).project_id)
    if scope == Scope.DEPLOY:
        require_to_connect(actor, cast.project)
    else:
        with pytest.raises((NotAllowed, NotFound)):
            require_to_connect(actor, cast.project)


def test_of_people_administrators_and_owners_connect_other_systems(cast):
    roles = [role for role in RANKS if Actor(user=cast.of(role)).may_connect(cast.project)]
    assert roles == [Role.ADMIN, Role.OWNER]
    with pytest.raises(NotAllowed, match="an admin or higher"):
        require_to_connect(cast.editor, cast.project)
    with pytest.raises(NotFound):
        require_to_connect(cast.outsider, cast.project)


def test_a_token_never_makes_tokens_or_owners_or_puts_its_project_away(cast):
    token, _ = factories.token(cast.project, *Scope)
    by = Actor(token=token)
    deeds = (
        partial(token_create, project=cast.project, name="mine", scopes=[Scope.READ], by=by),
        partial(member_add, project=cast.project, user=cast.outsider, role=Role.OWNER, by=by),
        partial(project_archive, project=cast.project, by=by),
    )
    for deed in deeds:
        with pytest.raises(NotAllowed):
            deed()


@pytest.mark.parametrize("scope", list(Scope))
def test_only_deploy_hands_on_the_right_to_change_settings_and_members(cast, scope):
    token, _ = factories.token(cast.project, scope)
    by = Actor(token=token)
    deeds = (
        partial(member_add, project=cast.project, user=cast.outsider, role=Role.VIEWER, by=by),
        partial(project_change, project=cast.project, by=by, name="Another name"),
    )
    for deed in deeds:
        if scope == Scope.DEPLOY:
            deed()
        else:
            with pytest.raises((NotAllowed, NotFound)):
                deed()


def test_memberships_are_loaded_once(cast, django_assert_num_queries):
    actor = Actor(user=cast.editor)
    with django_assert_num_queries(1):
        for _ in range(5):
            actor.may(cast.project, Role.EDITOR)
            actor.may_see_data(cast.project)


def test_everybody_finds_the_rows_of_their_own_projects_only(cast):
    mine, other = factories.job(cast.project), factories.job(factories.project())
    for person in (cast.viewer, cast.owner):
        assert set(scoped(type(mine).objects.all(), Actor(user=person))) == {mine}
    assert set(scoped(type(mine).objects.all(), Actor(user=cast.superuser))) == {mine, other}
    assert not scoped(type(mine).objects.all(), Actor(user=cast.outsider)).exists()
    assert not scoped(type(mine).objects.all(), NOBODY).exists()


def test_rows_are_found_along_a_path(cast):
    job = factories.job(cast.project)
    found = scoped(type(job.live_version).objects.all(), Actor(user=cast.viewer), "job__project")
    assert list(found) == [job.live_version]


def test_archived_projects_are_left_out_unless_asked_for(cast):
    project_archive(project=cast.project, by=cast.owner)
    for person in (cast.owner, cast.superuser):
        actor = Actor(user=person)
        assert cast.project not in visible_projects(actor)
        assert cast.project in visible_projects(actor, archived=True)


def test_data_is_for_admins_and_owners_unless_the_membership_says_otherwise(cast):
    seeing = [role for role in RANKS if Actor(user=cast.of(role)).may_see_data(cast.project)]
    assert seeing == [Role.ADMIN, Role.OWNER]
    Membership.objects.filter(user=cast.viewer).update(may_see_data=True)
    assert Actor(user=cast.viewer).may_see_data(cast.project)
    assert isinstance(cast.project, Project)
