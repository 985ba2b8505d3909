"""`manage.py up`: the whole platform on one machine, from nothing to a page that answers.

Runs before Django and without it: this process stays for as long as the platform does, and is to stay small.
What it starts, and how, is in `stack.py`.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

from openfn_platform.local.data_folder import DataFolder
from openfn_platform.local.installing import data_home
from openfn_platform.local.log import Log
from openfn_platform.local.ports import PortClaim
from openfn_platform.local.processes import CannotStart
from openfn_platform.local.stack import FIRST_PAGE, Stack
from openfn_platform.local.supervisor import OURSELVES, Stopped, Supervisor


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    log = Log()
    began = time.monotonic()
    with ExitStack() as cleanup:
        # First, so that a signal at any moment leads to an orderly end.
        supervisor = Supervisor(log=log, adopt_orphans=True)
        try:
            folder = DataFolder(options.data)
            cleanup.callback(folder.close)
            port = PortClaim(options.port)
            cleanup.callback(port.close)
            stack = Stack(
                supervisor, folder=folder, port=port.port, workers=options.workers, demo=options.demo
            )
            cleanup.callback(stack.close)
            cleanup.enter_context(supervisor)
            log.write(OURSELVES, f"starting; data are in {folder.path}")
            stack.start()
            say_where(log, stack, seconds=time.monotonic() - began)
            supervisor.serve()
            log.write(OURSELVES, "stopping …")
        except Stopped:
            log.write(OURSELVES, "stopping before it was ready …")
        except CannotStart as error:
            log.write(OURSELVES, str(error))
            return 1
    log.write(OURSELVES, "stopped")
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Run the whole platform on this machine."
    )
    parser.add_argument(
        "--port", type=port_number, help="of the web pages (default: 8000, or the next free one)"
    )
    parser.add_argument(
        "--data", type=Path, default=data_home(), metavar="DIR", help="where to keep everything"
    )
    parser.add_argument(
        "--workers", type=int, default=1, choices=range(1, 17), metavar="N", help="worker processes"
    )
    parser.add_argument(
        "--no-demo", dest="demo", action="store_false", help="without the demo and its stand-ins"
    )
    return parser.parse_args(arguments)


def port_number(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a port lies between 1 and 65535")
    return port


def say_where(log: Log, stack: Stack, *, seconds: float) -> None:
    admin = stack.admin
    password = admin["password"] or "(the one you changed it to)"
    for line in (
        f"ready after {seconds:.1f} s",
        "",
        f"    open       {stack.url}{FIRST_PAGE}",
        f"    log in as  {admin['email']}",
        f"    password   {password}",
        "",
        "    stop with Ctrl-C",
        "",
    ):
        log.write(OURSELVES, line)
