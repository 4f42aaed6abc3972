"""What a request to send may hold."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import orjson
from django.conf import settings
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from channels import addresses
from channels.addresses import AddressInvalid
from notify.api.validation import Input
from notify.orders import Order, Recipient

ChannelName = Literal["email", "sms", "push", "im", "voice", "webhook", "inapp"]
PriorityName = Literal["critical", "normal", "bulk"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_TTL_S: Final = 90 * 24 * 3600
#: As deep as an object may be, to be written again inside of answers and callbacks.
_MAX_DEPTH: Final = 32
_INTEGERS: Final = range(-(2**63), 2**63)


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("control_character", "Control characters and line breaks are not allowed here.")
    return text


def _plain_text(text: str) -> str:
    if _CONTROL_IN_TEXT.search(text):
        raise PydanticCustomError("control_character", "Control characters are not allowed here.")
    return text


def _small_object(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        return value
    _check_parts(value, depth=1)
    limit = settings.NOTIFY["MAX_PARAMS_BYTES"]
    if len(orjson.dumps(value)) > limit:
        raise PydanticCustomError("bytes_too_long", "{max_length}", {"max_length": limit})
    return value


def _check_parts(value: Any, *, depth: int) -> None:
    """Refuses what can't be stored, or not be read again as it was written."""
    if isinstance(value, str):
        if "\0" in value:
            raise PydanticCustomError("control_character", "The character U+0000 can't be stored.")
    elif isinstance(value, dict | list):
        if depth > _MAX_DEPTH:
            raise PydanticCustomError("too_deep", f"At most {_MAX_DEPTH} levels.")
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_parts(inner, depth=depth + 1)
    elif isinstance(value, int | float) and not _is_portable(value):
        raise PydanticCustomError("out_of_range", "A number in here is beyond 64 bits; write it as text.")


def _is_portable(number: float) -> bool:
    """Whether a reader of JSON can hold it. PostgreSQL writes out large floats, so they would come back as integers."""
    if isinstance(number, int):
        return number in _INTEGERS
    return math.isfinite(number) and abs(number) < 2.0**63


def _empty_if_null(value: object) -> object:
    return {} if value is None else value


def _callback_url(url: str) -> str:
    try:
        return addresses.normalize("webhook", url)
    except AddressInvalid as error:
        raise PydanticCustomError(error.code, "{detail}", {"detail": error.detail}) from None


def _distinct(channels: list[ChannelName]) -> list[ChannelName]:
    if len(set(channels)) < len(channels):
        raise PydanticCustomError("not_allowed", "Each channel at most once.")
    return channels


def _iso_text(value: object) -> object:
    if isinstance(value, str) and not value.lstrip("+-").replace(".", "", 1).isdigit():
        return value
    raise PydanticCustomError("wrong_type", "Write an ISO 8601 date and time with its zone.")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)  # PostgreSQL knows no offsets beyond 15:59
    except OverflowError:
        raise PydanticCustomError("out_of_range", "No calendar reaches there.") from None


#: A moment as text, with its zone. pydantic alone would take a number for seconds since 1970.
Moment = Annotated[AwareDatetime, BeforeValidator(_iso_text), AfterValidator(_in_utc)]
Line = Annotated[str, AfterValidator(_one_line)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
SmallObject = Annotated[
    dict[str, Any],
    BeforeValidator(_empty_if_null, json_schema_input_type=dict[str, Any] | None),
    AfterValidator(_small_object),
]
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$", max_length=35)]


class To(Input):
    """The addresses of one person. Each channel needs its own: email `email`; sms and voice `phone`; push
    `device_token`; im `im`; webhook `url`; inapp `user_id`. Others may come along: a channel that stands
    in for one that is down uses them."""

    email: Address | None = None
    phone: Address | None = Field(default=None, description="E.164, with its plus sign.")
    user_id: Address | None = None
    device_token: Address | None = None
    im: Address | None = None
    url: Address | None = None

    def given(self) -> dict[str, str]:
        """The addresses that are there."""
        return {name: value for name, value in self.__dict__.items() if value}


class Content(Input):
    """What to say, ready as it is: nothing in it is interpreted. An email needs a subject, and text or html; all other
    channels need text."""

    subject: Annotated[Line, StringConstraints(max_length=998)] | None = None
    text: Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_plain_text)] | None = None
    html: Annotated[str, StringConstraints(max_length=1_000_000), AfterValidator(_plain_text)] | None = None


class Common(Input):
    """What one notification says, or all of a batch."""

    channels: Annotated[list[ChannelName], Field(min_length=1, max_length=7), AfterValidator(_distinct)]
    route: Literal["all", "first"] = Field(
        default="all", description="`all`: on every channel. `first`: one after the other, until one is delivered."
    )
    template: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="The key of a template. It or `content`, and not both."
    )
    locale: Locale | None = None
    params: SmallObject = Field(default_factory=dict)
    content: Content | None = Field(default=None, description="What to say where no template says it.")
    priority: PriorityName = "normal"
    category: Annotated[Line, StringConstraints(max_length=64)] | None = None
    send_at: Moment | None = None
    expires_at: Moment | None = None
    ttl_s: Annotated[int, Field(ge=1, le=_MAX_TTL_S, strict=True)] | None = Field(
        default=None, description="Seconds from `send_at` on, in place of `expires_at`."
    )
    metadata: SmallObject = Field(default_factory=dict)
    callback_url: Annotated[str, StringConstraints(max_length=2048), AfterValidator(_callback_url)] | None = None

    @model_validator(mode="after")
    def _either(self) -> Common:
        if (self.template is None) == (self.content is None):
            raise PydanticCustomError("template_or_content", "Give a template or content, and not both.")
        return self

    def order(self) -> Order:
        """The order that it is."""
        content = self.content.model_dump(exclude_none=True) if self.content is not None else None
        return Order(
            channels=tuple(self.channels),
            route=self.route,
            template=self.template,
            content=content,
            locale=self.locale or "",
            params=self.params,
            priority=self.priority,
            category=self.category or "",
            send_at=self.send_at,
            expires_at=self.expires_at,
            ttl_s=self.ttl_s,
            metadata=self.metadata,
            callback_url=self.callback_url or "",
        )


class NotificationInput(Common):
    """One notification to one person."""

    to: To
    ref: Annotated[Line, StringConstraints(max_length=255)] | None = Field(
        default=None, description="A name of your own for it, to find it by."
    )

    def recipient(self) -> Recipient:
        """Whom it is for."""
        return Recipient(to=self.to.given(), ref=self.ref or "")


class RecipientInput(Input):
    """One person of a batch; `params` and `metadata` add to those of the batch, and win over them."""

    to: To
    params: SmallObject = Field(default_factory=dict)
    metadata: SmallObject = Field(default_factory=dict)
    ref: Annotated[Line, StringConstraints(max_length=255)] | None = None

    def recipient(self) -> Recipient:
        """The person."""
        return Recipient(to=self.to.given(), params=self.params, metadata=self.metadata, ref=self.ref or "")


class StreamHead(Common):
    """The first line of a batch as NDJSON; the recipients follow, a line each."""

    on_invalid: Literal["reject", "skip"] = Field(
        default="reject", description="Whether one faulty recipient refuses the batch, or is left out and reported."
    )


class BatchInput(StreamHead):
    """One message to many people."""

    recipients: list[Any] = Field(min_length=1)


class BatchBody(StreamHead):
    """One message to many people."""

    recipients: list[RecipientInput] = Field(min_length=1, max_length=10_000)
