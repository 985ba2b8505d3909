"""The language runs inside a confined child: no Django, no Celery."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
import jobs.language.check, jobs.language.stubs
from jobs.language import runtime
runtime.prepare()
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"django", "celery", "rest_framework"})
assert not loaded, loaded
missing = {"httpx", "jobs.adaptors.http", "jobs.language.python", "jobs.adaptors.common"} - set(sys.modules)
assert not missing, missing
"""


def test_preparing_a_zygote_loads_the_adaptors_but_neither_django_nor_celery():
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
