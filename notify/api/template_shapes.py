"""What templates look like in answers, and examples of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import Field

from notify.api.shapes import Shape


class PartsShape(Shape):
    """What is said on one channel in one language."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None


class VariablesShape(Shape):
    """The variables of one content. Optional ones are only used behind `default` or where an `if` tests them."""

    required: list[str]
    optional: list[str]


class TemplateDetail(Shape):
    """A template in one of its versions."""

    key: str
    category: str
    shared: bool = Field(description="Whether it is the whole company's.")
    version: int
    default_locale: str
    contents: dict[str, dict[str, PartsShape]]
    variables: dict[str, VariablesShape] = Field(description="By channel and locale, such as `sms/zh-CN`.")
    created_at: datetime
    updated_at: datetime


class TemplatePage(Shape):
    """A page of templates, by key."""

    results: list[TemplateDetail]
    next_cursor: str | None = Field(default=None, description="Absent at the end.")


class MessageShape(Shape):
    """A message as it would be sent."""

    locale: str = Field(description="The locale that was chosen.")
    subject: str
    text: str
    html: str


class PreviewShape(Shape):
    """A template, rendered for each channel."""

    key: str
    version: int
    messages: dict[str, MessageShape]


#: The schema of ``contents`` in requests.
CONTENTS: Final[dict[str, Any]] = {
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "string"} for name in ("subject", "text", "html")},
        },
    }
}

_SAID: Final = {"sms": {"zh-CN": {"text": "验证码 {{ code }}"}, "en": {"text": "Your code is {{ code }}"}}}
_NEEDED: Final = {"required": ["code"], "optional": []}
REPLACEMENT: Final = {"category": "security", "default_locale": "en", "contents": _SAID}
NEW_TEMPLATE: Final = {"key": "otp", **REPLACEMENT}
TEMPLATE: Final = {
    "key": "otp",
    "category": "security",
    "shared": False,
    "version": 1,
    "default_locale": "en",
    "contents": _SAID,
    "variables": {"sms/zh-CN": _NEEDED, "sms/en": _NEEDED},
    "created_at": "2026-01-31T01:00:00Z",
    "updated_at": "2026-01-31T01:00:00Z",
}
PREVIEW: Final = {
    "key": "otp",
    "version": 1,
    "messages": {"sms": {"locale": "zh-CN", "subject": "", "text": "验证码 1234", "html": ""}},
}
