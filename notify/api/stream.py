"""A batch as NDJSON: the common part on the first line, then a recipient a line.

The body goes to a temporary file first (in memory while it is small): a slow client then holds no transaction open,
and a hundred thousand recipients are never in memory at once.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Final

import orjson
from django.conf import settings
from pydantic import ValidationError
from rest_framework.request import Request

from notify.api import bodies
from notify.api.idempotency import start_fingerprint
from notify.api.inputs import RecipientInput, StreamHead
from notify.api.parsers import Readable, cut_short, declared_length, open_body, parse_json
from notify.api.validation import field_errors, parse
from notify.errors import FieldError, InvalidRequest, MalformedRequest, PayloadTooLarge
from notify.orders import Recipient

MEDIA_TYPE: Final = "application/x-ndjson"
_IN_MEMORY: Final = 1024 * 1024
_PIECE: Final = 64 * 1024


class Stream:
    """A body that was read whole, to be gone through line by line. Close it."""

    def __init__(self, file: IO[bytes], fingerprint: bytes) -> None:
        self._file = file
        self.fingerprint = fingerprint
        self._lines = array("L")

    @classmethod
    def receive(cls, request: Request) -> Stream:
        """Reads the body of ``request``. Raises PayloadTooLarge, TooManyBodies, and MalformedRequest for one that was
        cut short."""
        digest: hashlib._Hash = start_fingerprint(request)
        source = open_body(request)
        file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  (closed by whoever asked for the stream)
        try:
            with bodies.reading(request):
                _copy(source, file, digest, length=declared_length(request))
        except BaseException:
            file.close()
            raise
        return cls(file, digest.digest())

    def close(self) -> None:
        """Lets go of the temporary file."""
        self._file.close()

    def head(self) -> StreamHead:
        """The common part. Raises MalformedRequest, PayloadTooLarge or InvalidRequest."""
        self._file.seek(0)
        limit: int = settings.NOTIFY["MAX_BODY_BYTES"]
        line = self._file.readline(limit + 1)
        if len(line) > limit:
            raise PayloadTooLarge(f"The first line is longer than {limit} bytes.")
        if not line.strip():
            raise MalformedRequest("The first line holds the common part of the batch; it is empty.")
        return parse(StreamHead, parse_json(line, what="Line 1"), prefix="lines[1]")

    def label(self, index: int) -> str:
        """What the recipient with this index is called in the paths of faults: its line, the head being the first."""
        return f"lines[{self._lines[index]}]"

    def recipients(self) -> Iterator[Recipient | list[FieldError]]:
        """What follows the head, faults in the place of what can't be read; blank lines do not count. Raises
        InvalidRequest for too many."""
        most: int = settings.NOTIFY["MAX_STREAM_RECIPIENTS"]
        longest: int = settings.NOTIFY["MAX_LINE_BYTES"]
        number = 1
        while line := self._file.readline(longest + 1):
            number += 1
            if line.isspace():
                continue
            self._lines.append(number)
            if len(self._lines) > most:
                detail = f"Line {number}: at most {most} recipients."
                raise InvalidRequest(detail, errors=[FieldError(f"lines[{number}]", "too_long", detail)])
            if len(line) > longest:
                while line and not line.endswith(b"\n"):
                    line = self._file.readline(longest)
                yield [FieldError("", "too_long", f"Line {number} is longer than {longest} bytes.")]
            else:
                yield _recipient(line, number)


def _copy(source: Readable, file: IO[bytes], digest: hashlib._Hash, *, length: int | None) -> None:
    limit: int = settings.NOTIFY["MAX_STREAM_BODY_BYTES"]
    size = 0
    while length is None or size < length:
        piece = source.read(_PIECE if length is None else min(_PIECE, length - size))
        if not piece:
            break
        size += len(piece)
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than the {limit} bytes that this call takes.")
        digest.update(piece)
        file.write(piece)
    if length is not None and size < length:
        raise cut_short()


def _recipient(line: bytes, number: int) -> Recipient | list[FieldError]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        detail = f"Line {number} is not valid JSON (column {error.colno})."
        return [FieldError("", "malformed_json", detail)]
    try:
        return RecipientInput.model_validate(value).recipient()
    except ValidationError as error:
        return field_errors(error)
