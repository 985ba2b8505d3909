"""Messages, sent twice, while parts of the product are killed at random; then the six promises, by SQL.

python -m tests.faults.play --seed 7 --seconds 40 --messages 300

Prints kills done, messages accepted, rows checked and every broken promise; exits 1 if there is one, or if too
little was killed to prove anything. Loopback only; it stops by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from openfn_platform.local.servers import Servers, temporary_servers
from tests.faults.product import Product

LEASE = 4
CANARY = "canary-Zq7#secret&value"
SAFE = """
partner.post('/ran', {'run': run.id, 'attempt': run.attempt})
import time
time.sleep((value('n') % 7) * 0.06)
if value('n') % 10 == 3: fail('refused')
state.data = {'n': value('n')}
"""
SLOW = "partner.post('/ran', {'run': run.id, 'attempt': run.attempt})\nimport time\ntime.sleep(0.4)"


class Partner(ThreadingHTTPServer):
    """The partner system: counts how often each run called."""

    daemon_threads = True

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server = self.server
                assert isinstance(server, Partner)
                with server.lock:
                    server.calls[body["run"]] += 1
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


class Senders:
    """Partners' programs: each message is sent until it was accepted, and then once more."""

    def __init__(
        self, *, product: Product, address: str, messages: int, seconds: float, threads: int = 4
    ) -> None:
        self.product, self.address, self.messages = product, address, messages
        self.accepted: dict[int, list[dict[str, Any]]] = {n: [] for n in range(messages)}
        self.refused: Counter[str] = Counter()
        self.pause = seconds * threads / (2 * messages)  # so that they come while things are killed
        self.stop = threading.Event()
        self._next = iter(range(messages))
        self._lock = threading.Lock()
        self.threads = [threading.Thread(target=self._send, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def _send(self) -> None:
        while not self.stop.is_set():
            with self._lock:
                number = next(self._next, None)
            if number is None:
                return
            while len(self.accepted[number]) < 2 and not self.stop.is_set():
                answer = self._post(number)
                if answer is None:
                    time.sleep(0.2)
                else:
                    self.accepted[number].append(answer)
                    time.sleep(self.pause * 0.9)

    def _post(self, number: int) -> dict[str, Any] | None:
        kind = "slow" if number % 5 == 4 else "safe"
        request = urllib.request.Request(
            f"{self.product.url}/inbox/{self.address}",
            data=json.dumps({"kind": kind, "n": number}).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": f"message-{number}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            self.refused[str(error.code)] += 1
        except (OSError, ValueError) as error:
            self.refused[type(error).__name__] += 1
        return None


class Chaos:
    """Does damage at random, from a fixed seed, and keeps count."""

    def __init__(self, *, seed: int, product: Product, servers: Servers) -> None:
        self.random = random.Random(seed)
        self.product, self.servers = product, servers
        self.done: Counter[str] = Counter()
        self._frozen: list[tuple[float, str]] = []
        # What must not be left to chance, by share of the whole time.
        self._planned = [(0.2, self.freeze), (0.35, self.postgres), (0.5, self.web), (0.7, self.postgres)]

    def round(self, share: float) -> None:
        self._thaw()
        if self._planned and share >= self._planned[0][0]:
            self._planned.pop(0)[1]()
            self.product.revive()
            return
        deeds = [
            (5, self.worker),
            (4, self.zygote),
            (6, self.child),
            (2, self.redis_killed),
            (2, self.redis_flushed),
            (2, self.freeze),
            (1, self.web),
        ]
        self.random.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])[0]()
        self.product.revive()

    def worker(self) -> None:
        name = self.random.choice([n for n in self.product.parts if n.startswith("worker")])
        self.product.kill(name)
        self.done["worker killed"] += 1

    def zygote(self) -> None:
        self._kill_one(self.product.zygotes(), "zygote killed")

    def child(self) -> None:
        self._kill_one(self.product.children(), "child killed")

    def _kill_one(self, pids: list[int], what: str) -> None:
        if pids:
            try:
                os.kill(self.random.choice(pids), 9)
            except ProcessLookupError:
                return
            self.done[what] += 1

    def redis_killed(self) -> None:
        if self.servers.redis is not None:
            self.servers.redis.kill()
            time.sleep(self.random.uniform(0, 1))
            self.servers.redis.start()
            self.done["Redis killed"] += 1

    def redis_flushed(self) -> None:
        import redis

        try:
            redis.Redis(unix_socket_path=self.servers.redis_url.partition("://")[2]).flushall()
        except redis.RedisError:
            return
        self.done["Redis flushed"] += 1

    def freeze(self) -> None:
        if not self._frozen:
            name = self.random.choice([n for n in self.product.parts if n.startswith("worker")])
            self.product.freeze(name)
            self._frozen.append((time.monotonic() + LEASE + 2.5, name))
            self.done["worker frozen past its lease"] += 1

    def _thaw(self, *, now: bool = False) -> None:
        for until, name in list(self._frozen):
            if now or time.monotonic() > until:
                self.product.thaw(name)
                self._frozen.remove((until, name))

    def web(self) -> None:
        self.product.kill("web")
        self.done["web killed"] += 1

    def postgres(self) -> None:
        self.servers.postgres.kill()
        time.sleep(self.random.uniform(0, 0.5))
        self.servers.postgres.start()
        self.done["PostgreSQL killed"] += 1

    def end(self) -> None:
        self._thaw(now=True)
        self.product.revive()


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--messages", type=int, default=240)
    given = options.parse_args(arguments)
    with temporary_servers(durable=True) as servers, tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ) | {
            "DJANGO_SETTINGS_MODULE": "openfn_platform.settings",
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "RUN_LEASE_SECONDS": str(LEASE),
            "RUN_SWEEP_SECONDS": "1",
            "RUN_GRACE_SECONDS": "1",
            "DATABASE_POOL": "16",
            "MAIL_DIR": folder,
            "PYTHONUNBUFFERED": "1",
        }
        os.environ.update(environment)
        with Product(environment, Path(folder)) as product:
            return play(given, servers=servers, product=product)


def play(given: argparse.Namespace, *, servers: Servers, product: Product) -> int:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from tests.faults.promises import broken_promises, waiting
    from tests.faults.scene import scene_set

    call_command("migrate", verbosity=0)
    partner = Partner()
    threading.Thread(target=partner.serve_forever, daemon=True).start()
    scene = scene_set(partner_port=partner.server_port, safe=SAFE, slow=SLOW, canary=CANARY)
    connection.close()
    product.start_web()
    for number in range(3):
        product.start_worker(f"worker-{number}")
    product.start_beat("beat-1")
    product.start_beat("beat-2")
    senders = Senders(
        product=product, address=str(scene.address), messages=given.messages, seconds=given.seconds
    )
    chaos = Chaos(seed=given.seed, product=product, servers=servers)
    time.sleep(3)
    senders.start()
    began = time.monotonic()
    while time.monotonic() - began < given.seconds:
        chaos.round((time.monotonic() - began) / given.seconds)
        time.sleep(chaos.random.uniform(0.3, 1.1))
    chaos.end()
    for thread in senders.threads:
        thread.join(timeout=30)
    senders.stop.set()
    settle = time.monotonic() + 60
    while (left := waiting()) and time.monotonic() < settle:
        product.revive()
        scene.switch_on()  # a job whose children were killed three times is paused, as it should be
        connection.close()
        time.sleep(0.5)
    time.sleep(2)
    problems, rows = broken_promises(
        scene=scene, senders=senders, partner=partner, lease=LEASE, canary=CANARY
    )
    problems += [
        f"{name}: the canary stands in its output" for name in product.parts if CANARY in product.log(name)
    ]
    if left:
        problems.append(f"{left} runs never ended")
    kills = sum(chaos.done.values())
    if kills < given.seconds / 2.5:
        problems.append(f"only {kills} kills: that proves too little")
    accepted = sum(bool(answers) for answers in senders.accepted.values())
    fenced = sum(
        product.log(n).count("action=late_result_refused") + product.log(n).count("action=fenced")
        for n in product.parts
    )
    print(
        f"seed {given.seed}: {kills} kills in {given.seconds:.0f} s ({', '.join(f'{n} {k}' for k, n in sorted(chaos.done.items()))})"
    )
    print(
        f"accepted {accepted} of {given.messages} messages, each sent twice; turned away meanwhile: {dict(senders.refused)}"
    )
    print(f"rows checked: {rows}; late results refused: {fenced}")
    for problem in problems:
        print(f"BROKEN: {problem}")
    if problems and os.environ.get("FAULT_LOGS"):
        for name in product.parts:
            Path(os.environ["FAULT_LOGS"], f"{name}.log").write_text(product.log(name))
    partner.shutdown()
    partner.server_close()
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
