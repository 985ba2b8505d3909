#!/usr/bin/env python3
"""The one entry point. Sets itself up on first use, then: `up`, `test`, or any command of Django.

Must parse on Python 3.6, so that an old one gets a sentence and not a syntax error.
"""

import os
import sys


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  # said to whoever tries an older one
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.stderr.write(
            f"The platform needs Python 3.11 or newer; this is Python {version}. "
            "Start it with a newer one, for example: python3.11 manage.py up\n"
        )
        return 2

    from openfn_platform.local import installing
    from openfn_platform.local.processes import CannotStart

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        installing.ensure(requirements="test.txt" if command == "test" else "run.txt")
        if command == "up":
            from openfn_platform.local import up

            return up.main(sys.argv[2:])
        if command == "test":
            from openfn_platform.local import suite

            return suite.main(sys.argv[2:])
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openfn_platform.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
