"""An SMTP server that takes everything and keeps a count: ``python -m bench.sinks.smtp PORT``."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

_BANNER: Final = b"220 sink ESMTP\r\n"
_HELLO: Final = b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 SIZE 33554432\r\n"
_DATA_END: Final = b"\r\n.\r\n"
_ANSWERS: Final = {b"MAIL": b"250 OK\r\n", b"RCPT": b"250 OK\r\n", b"RSET": b"250 OK\r\n", b"NOOP": b"250 OK\r\n"}


class Conversation(asyncio.Protocol):
    """One connection, as many messages as its client likes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_BANNER)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._in_data or b"\r\n" in self._buffer:
            if self._in_data:
                end = self._buffer.find(_DATA_END)
                if end < 0:
                    return
                del self._buffer[: end + len(_DATA_END)]
                self._in_data = False
                self._transport.write(b"250 OK taken\r\n")
                continue
            line, _, rest = bytes(self._buffer).partition(b"\r\n")
            self._buffer[:] = rest
            self._answer(line[:4].upper())

    def _answer(self, verb: bytes) -> None:
        if verb in (b"EHLO", b"HELO"):
            self._transport.write(_HELLO)
        elif verb == b"DATA":
            self._in_data = True
            self._transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(_ANSWERS.get(verb, b"502 not here\r\n"))


async def serve(port: int) -> None:
    """Takes mail until the process ends."""
    server = await asyncio.get_running_loop().create_server(Conversation, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
