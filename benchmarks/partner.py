"""A partner system that takes its time: answers every request after a pause, any number of them at once.

python -m benchmarks.partner PORT PAUSE_SECONDS
"""

from __future__ import annotations

import asyncio
import json
import sys


class Partner:
    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.served = self.now = self.most = 0

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests without a body, one after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                answer = json.dumps(await self._answer(head.split(b" ", 2)[1])).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    % len(answer)
                )
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: bytes) -> dict[str, object]:
        if path == b"/count":
            return {"served": self.served, "most_at_once": self.most}
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.pause)
        finally:
            self.now -= 1
        self.served += 1
        return {"patient": "found"}


async def serve(port: int, pause: float) -> None:
    server = await asyncio.start_server(Partner(pause).speak, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
