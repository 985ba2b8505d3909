"""`python -m openfn_platform.demo.standins openmrs --port 0 --data FILE`: prints one JSON line when ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

from openfn_platform.demo.standins.kinds import KINDS, kind_load
from openfn_platform.demo.standins.server import Server
from openfn_platform.demo.standins.store import Store


def main() -> None:
    """Run one stand-in until it is told to stop."""
    options = _options()
    store = Store(options.data)
    partner = kind_load(options.kind)(store, options.config)
    server = Server(partner)
    asyncio.run(server.serve(host=options.host, port=options.port, die_with_parent=options.die_with_parent))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standins", description="A stand-in for a partner system.")
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--data", type=Path, help="keep the records in this file")
    parser.add_argument(
        "--config",
        type=json.loads,
        default=os.environ.get("STANDIN_CONFIG") or "{}",  # where no list of processes shows a password
        help="settings as a JSON object (default: STANDIN_CONFIG in the environment)",
    )
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the starting process ends")
    return parser.parse_args()


if __name__ == "__main__":
    main()
