"""The step of `up` that needs Django: migrate, administrator, demo. One start of Django for all three.

Answers on stdout with one line of JSON: {"admin": {"email", "password"}, "demo": {...}}; the password is empty
when the administrator has another one by now.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stdout
from typing import Any

ADMIN_EMAIL = "admin@localhost"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openfn_platform.settings")
    import django

    django.setup()
    from django.core.management import call_command, get_commands

    call_command("migrate", interactive=False, stdout=sys.stderr)
    administrator = ensure_administrator(os.environ["UP_ADMIN_PASSWORD"])
    demo: dict[str, Any] = {}
    if "--demo" in sys.argv and "demo_load" in get_commands():
        output = io.StringIO()
        with redirect_stdout(output):
            call_command("demo_load", stdout=output)
        demo = json.loads(output.getvalue().strip().splitlines()[-1])
    print(json.dumps({"admin": administrator, "demo": demo}))
    return 0


def ensure_administrator(password: str) -> dict[str, str]:
    """The first superuser. One that is there already keeps the password that its owner gave it."""
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()._default_manager
    user = users.filter(email__iexact=ADMIN_EMAIL).first()
    if user is None:
        user = users.create_superuser(email=ADMIN_EMAIL, password=password)
    return {"email": ADMIN_EMAIL, "password": password if user.check_password(password) else ""}


if __name__ == "__main__":
    sys.exit(main())
