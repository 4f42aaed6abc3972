"""What a gateway's callback says of messages, by the paths and statuses its configuration names.

A callback is one report, a list of reports, or an object with such a list in it; JSON, a form, or a query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from channels.adapters.base import AdapterConfig
from channels.adapters.verdict import MISSING, Scalar, among, check_path, find, parse_json
from channels.callbacks import CallbackForged, CallbackUnreadable, Encoding, Method, is_signed
from channels.masking import mask_text
from channels.types import CallbackRequest, DeliveryEvent

_REPORTS_AT_MOST: Final = 10_000
_MAX_DETAIL: Final = 200
#: A number over this counts milliseconds: as seconds it would be the year 5138.
_MILLISECONDS: Final = 1e11


class Signature(AdapterConfig):
    """How a callback shows who sent it, with the secret that ``callback_secret`` holds. With ``timestamp`` what is
    signed is ``<timestamp>.<body>``, and older than ``tolerance_s`` it is not believed."""

    header: str = Field(default="", description="The header it is in.")
    query: str = Field(default="", description="Or the parameter of the URL it is in.")
    prefix: str = Field(default="", description="What stands before it there, such as “sha256=” or “Bearer ”.")
    method: Method = Field(default="hmac-sha256", description="“secret”: the secret itself is sent.")
    encoding: Encoding = "hex"
    timestamp: str = Field(default="", description="The header with the seconds since 1970 that are signed as well.")
    tolerance_s: int = Field(default=300, ge=1, le=86_400)

    @field_validator("header", "timestamp")
    @classmethod
    def lower(cls, value: str) -> str:
        return value.lower()


class Callback(AdapterConfig):
    """How to read a callback. Paths are JSON paths, those of a report seen from the report."""

    signature: Signature
    reports: str = Field(default="", description="The path of the list of reports. By default the whole.")
    message_id: str = Field(description="The path of the provider's id of the message.")
    status: str = Field(description="The path of the status.")
    delivered: list[Scalar] = Field(min_length=1, description="Statuses that say that the person has it.")
    pending: list[Scalar] = Field(
        default_factory=list, description="Statuses that say nothing yet. All others say that it failed."
    )
    detail: str | None = Field(default=None, description="The path of the text for people.")
    at: str | None = Field(default=None, description="The path of the time: ISO 8601, seconds or milliseconds.")
    timezone: str = Field(default="UTC", description="Whose time it is, where it does not say.")
    answer: str = Field(
        default="", max_length=1000, description="What it wants to read from us, where a 200 alone is not enough."
    )

    check_callback_paths = field_validator("reports", "message_id", "status", "detail", "at")(check_path)

    @field_validator("timezone")
    @classmethod
    def check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("this is no time zone; write a name such as Asia/Shanghai") from None
        return value


def read(request: CallbackRequest, callback: Callback, *, secret: str, now: datetime) -> list[DeliveryEvent]:
    """What ``request`` says. Raises CallbackForged or CallbackUnreadable."""
    check(request, callback.signature, secret=secret, now=now)
    events = []
    for report in _reports(_content(request), callback.reports):
        status = find(callback.status, report)
        identifier = find(callback.message_id, report)
        if not isinstance(identifier, str | int) or isinstance(identifier, bool) or identifier == "":
            raise CallbackUnreadable("a report does not say which message it is about")
        if status is MISSING or isinstance(status, dict | list):
            raise CallbackUnreadable("a report does not say what became of its message")
        if among(status, callback.pending):
            continue
        events.append(
            DeliveryEvent(
                provider_message_id=str(identifier)[:255],
                delivered=among(status, callback.delivered),
                at=_time(find(callback.at, report), callback.timezone, now=now),
                detail=_detail(find(callback.detail, report)),
                raw={"status": status if not isinstance(status, str) else status[:_MAX_DETAIL]},
            )
        )
    return events


def check(request: CallbackRequest, signature: Signature, *, secret: str, now: datetime) -> None:
    """Raises CallbackForged unless ``request`` is signed with ``secret``."""
    given = request.query.get(signature.query, "") if signature.query else request.headers.get(signature.header, "")
    if not given.startswith(signature.prefix):
        raise CallbackForged("the signature is not in its place")
    content = request.body
    if signature.timestamp:
        signed_at = request.headers.get(signature.timestamp, "")
        if not (signed_at.isascii() and signed_at.isdigit() and len(signed_at) <= 12):
            raise CallbackForged("the callback does not say when it was signed")
        if abs(now.timestamp() - int(signed_at)) > signature.tolerance_s:
            raise CallbackForged("the signature is too old")
        content = signed_at.encode() + b"." + content
    given = given.removeprefix(signature.prefix).strip()
    if not is_signed(content, given, secret=secret, method=signature.method, encoding=signature.encoding):
        raise CallbackForged("the signature is wrong")


def _content(request: CallbackRequest) -> object:
    if not request.body.strip():
        return dict(request.query)
    content = parse_json(request.body)
    if content is not MISSING:
        return content
    if "form" not in request.headers.get("content-type", ""):
        raise CallbackUnreadable("this is neither JSON nor a form")
    try:
        fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise CallbackUnreadable("the form has too many fields") from None
    return {name: values[-1] for name, values in fields.items()}


def _reports(content: object, path: str) -> Iterator[Mapping[str, Any]]:
    found = find(path, content) if path else content
    reports = found if isinstance(found, list) else [found]
    if len(reports) > _REPORTS_AT_MOST:
        raise CallbackUnreadable(f"more than {_REPORTS_AT_MOST} reports at once")
    for report in reports:
        if not isinstance(report, dict):
            raise CallbackUnreadable("there is no report where one should be")
        yield report


def _detail(words: object) -> str:
    return "" if words is MISSING or words is None else mask_text(str(words)[: _MAX_DETAIL * 4])[:_MAX_DETAIL]


def _time(value: object, timezone: str, *, now: datetime) -> datetime:
    """When it was, as far as the report says so sensibly; else now. Nothing was delivered tomorrow, or a month ago."""
    at = _parse_time(value, timezone)
    return at if at is not None and now - timedelta(days=31) <= at <= now else now


def _parse_time(value: object, timezone: str) -> datetime | None:
    try:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
            at = datetime.fromisoformat(value.strip())
            return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            number = float(value)
            return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
