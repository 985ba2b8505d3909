"""Type stubs for the desk."""

import ast
import subprocess
import sys

from jobs.adaptors import registry
from jobs.language.scope import NAMES
from jobs.language.stubs import stub


def _defined(tree: ast.Module) -> set[str]:
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return found | {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def test_a_stub_names_everything_in_scope_and_is_python():
    tree = ast.parse(
        stub(aliases={"emr": "openmrs"}, settings=["location", "not a name"], steps=["register"])
    )
    assert {name.name for name in NAMES} - {"print"} | {"emr"} <= _defined(tree)


def test_a_connection_has_the_operations_of_its_adaptor():
    tree = ast.parse(stub(aliases={"emr": "openmrs"}))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    names = {node.name for node in classes["Openmrs"].body if isinstance(node, ast.FunctionDef)}
    assert names == {each.name for each in registry.operations("openmrs") if "." not in each.name}
    assert "create" in names


def test_a_type_checker_accepts_a_job_with_it(tmp_path):
    (tmp_path / "scope.pyi").write_text(stub(aliases={"emr": "openmrs"}, settings=["location"]))
    (tmp_path / "job.py").write_text(
        "from scope import emr, once, settings, state, value\n\n"
        "patient = once('create', emr.create, 'patient', {'location': settings.location})\n"
        "state.data = {'patient': patient, 'phone': value('form.phone', None)}\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--cache-dir",
        str(tmp_path / "cache"),
        "job.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
