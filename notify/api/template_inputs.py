"""What requests about templates may hold."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from notify.api.inputs import ChannelName, Line, Locale, SmallObject
from notify.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from notify.api.template_shapes import CONTENTS
from notify.api.validation import Input

_KEY_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,127}$"


def encode_cursor(key: str) -> str:
    """A cursor that goes on after the template with this key."""
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """The key in a cursor of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    if not re.fullmatch(_KEY_PATTERN, key):
        raise PydanticCustomError("invalid_cursor", "Send the next_cursor of the page before, unchanged.")
    return key


class TemplateInput(Input):
    """What a template says."""

    category: Annotated[Line, StringConstraints(max_length=64)] = Field(
        default="", description="What kind of message it is: people opt out by category."
    )
    default_locale: Locale = "en"
    contents: dict[str, Any] = Field(
        description="By channel and locale: `subject`, `text`, `html`, in Liquid.", json_schema_extra=CONTENTS
    )


class NewTemplate(TemplateInput):
    """A template that is not there yet."""

    key: Annotated[str, StringConstraints(pattern=_KEY_PATTERN)] = Field(description="Its name in requests to send.")


class TemplateReplacement(TemplateInput):
    """What a template says from now on."""

    key: str | None = Field(default=None, description="If it is there, the key in the address.")


class TemplateQuery(Input):
    """Which version."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="A version; the current one when left out."
    )


class TemplatesQuery(Input):
    """Which page."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Results a page.")
    cursor: Annotated[str, StringConstraints(max_length=256), AfterValidator(decode_cursor)] | None = Field(
        default=None, description="The `next_cursor` of the page before."
    )


class PreviewInput(TemplateQuery):
    """What to try a template out with."""

    channel: ChannelName | None = Field(default=None, description="One channel; all that it has when left out.")
    locale: Locale | None = None
    params: SmallObject = Field(default_factory=dict)
