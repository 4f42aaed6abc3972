"""Whether a person sees personal data, and what they see when not. By permission only, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from admin_portal.models import VIEW_PERSONAL_DATA
from channels.masking import mask_address, mask_text, mask_url
from channels.names import ADDRESS_FIELDS

#: Any channel that uses the field will do: fields are masked by their kind.
_CHANNEL_OF_FIELD = {field: channel for channel, field in ADDRESS_FIELDS.items()}
HIDDEN = "•••"


class Person(Protocol):
    """Somebody with permissions: Django's user, signed in or not."""

    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


class Curtain:
    """Shows personal data to those who may see it, and masks it for everybody else."""

    def __init__(self, person: Person) -> None:
        self.open = person.has_perm(VIEW_PERSONAL_DATA)

    def address(self, channel: str, address: str) -> str:
        """An address of ``channel``."""
        return address if self.open else mask_address(channel, address)

    def addresses(self, to: Mapping[str, Any]) -> dict[str, str]:
        """A notification's ``to``: the address behind each field."""
        return {
            field: str(value) if self.open else mask_address(_CHANNEL_OF_FIELD.get(field, "im"), str(value))
            for field, value in to.items()
        }

    def url(self, url: str) -> str:
        """A URL that may carry a secret in its path."""
        return url if self.open or not url else mask_url(url)

    def text(self, text: str) -> str:
        """Free text, such as a provider's complaint, that may quote an address."""
        return text if self.open else mask_text(text)

    def values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters or content: the keys may be seen, the values not."""
        return dict(data) if self.open else dict.fromkeys(data, HIDDEN)
