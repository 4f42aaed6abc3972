"""Where a message can go: an address of each channel, checked and written one way.

No network. The libraries that know the rules (email-validator, phonenumbers) take 50 to 150 µs an address, and a batch
brings ten thousand: what is plainly an ordinary email address or mobile number is recognised by a pattern first. The
patterns are stricter than the libraries and never say yes where those say no; the tests hold them to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import email_validator
import phonenumbers
from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, NumberParseException, PhoneMetadata

from channels import ssrf
from channels.errors import ChannelsError, ForbiddenUrl

_MAX_EMAIL: Final = 254
_MAX_PHONE: Final = 32
_MAX_TOKEN: Final = 4096
_MAX_IM: Final = 1024
_MAX_USER_ID: Final = 255


class AddressInvalid(ChannelsError):
    """Nothing can be sent to this address. ``code`` for programs, ``detail`` for people; neither quotes the address."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _check_text(address: str, limit: int) -> None:
    if not address:
        raise AddressInvalid("required", "The address is empty.")
    if len(address) > limit:
        raise AddressInvalid("too_long", f"The address is longer than {limit} characters.")
    if not address.isprintable():
        raise AddressInvalid("invalid_characters", "The address holds characters that can't be printed.")


# --- email ------------------------------------------------------------------------------------------------------------

_PLAIN_EMAIL: Final = re.compile(
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@(?:[a-z0-9](?:-?[a-z0-9]){0,31}\.)+([a-z]{2,63})"
)
_MAX_LOCAL: Final = 64
_SPECIAL_ENDINGS: Final = frozenset(name.rpartition(".")[2] for name in email_validator.SPECIAL_USE_DOMAIN_NAMES)
_SHARED_MAILBOXES: Final = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)


def _is_plain_email(address: str) -> bool:
    found = _PLAIN_EMAIL.fullmatch(address)
    if found is None or len(address) > _MAX_EMAIL:
        return False
    local, ending = found.groups()
    if len(local) > _MAX_LOCAL or ending in _SPECIAL_ENDINGS:
        return False
    return local.islower() or local.lower() not in _SHARED_MAILBOXES


def _normalize_email(address: str) -> str:
    if _is_plain_email(address):
        return address
    _check_text(address, _MAX_EMAIL)
    try:
        # ``test_environment`` lets .test through, the ending reserved for tests; nothing else changes.
        found = validate_email(address, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError:
        raise AddressInvalid("invalid_email", "This is not an email address.") from None
    return found.normalized


# --- phone ------------------------------------------------------------------------------------------------------------

_DIGITS: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_WRITTEN: Final = re.compile(r"\+[0-9 ().\-/]+")

MobileRule = Callable[[str], bool]


def _never(number: str) -> bool:
    return False


@lru_cache(maxsize=256)
def _mobile_rule(country_code: int) -> MobileRule:
    """Whether a national number is a mobile number of the main country of ``country_code``, from the library's own
    metadata; False where only the library can tell (a prefix that it would strip, say)."""
    region = COUNTRY_CODE_TO_REGION_CODE[country_code][0]
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.leading_digits or metadata.mobile is None:
        return _never
    general, mobile = metadata.general_desc, metadata.mobile
    if not general or not general.national_number_pattern or not mobile.national_number_pattern:
        return _never
    lengths = frozenset(mobile.possible_length or general.possible_length) & frozenset(general.possible_length)
    is_general = re.compile(general.national_number_pattern).fullmatch
    is_mobile = re.compile(mobile.national_number_pattern).fullmatch
    prefix = re.compile(metadata.national_prefix_for_parsing or r"(?!)").match

    def rule(number: str) -> bool:
        return bool(
            len(number) in lengths
            and number[0] != "0"
            and is_mobile(number)
            and is_general(number)
            and not prefix(number)
        )

    return rule


def _is_plain_mobile(number: str) -> bool:
    if _DIGITS.fullmatch(number) is None:
        return False
    for length in (1, 2, 3):
        country_code = int(number[1 : 1 + length])
        if country_code in COUNTRY_CODE_TO_REGION_CODE:
            return _mobile_rule(country_code)(number[1 + length :])
    return False


def _normalize_phone(address: str) -> str:
    if _is_plain_mobile(address):
        return address
    _check_text(address, _MAX_PHONE)
    invalid = AddressInvalid("invalid_phone", "Write a valid number with its country code, such as +8613800000000.")
    if _WRITTEN.fullmatch(address) is None:  # the library would find a number in the middle of a text
        raise invalid
    try:
        number = phonenumbers.parse(address)
    except NumberParseException:
        raise invalid from None
    if not phonenumbers.is_valid_number(number):
        raise invalid
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# --- the others -------------------------------------------------------------------------------------------------------


def _normalize_url(address: str) -> str:
    _check_text(address, ssrf.MAX_URL_LENGTH)
    try:
        ssrf.check_url(address)
    except ForbiddenUrl as error:
        raise AddressInvalid(error.code, f"This URL can't be used: {error.detail}.") from None
    return address


def _token(limit: int) -> Callable[[str], str]:
    def normalize_token(address: str) -> str:
        _check_text(address, limit)
        if address[0] == " " or address[-1] == " ":
            raise AddressInvalid("invalid_characters", "The address begins or ends with a space.")
        return address

    return normalize_token


_BY_CHANNEL: Final[dict[str, Callable[[str], str]]] = {
    "email": _normalize_email,
    "sms": _normalize_phone,
    "voice": _normalize_phone,
    "push": _token(_MAX_TOKEN),
    "im": _token(_MAX_IM),
    "webhook": _normalize_url,
    "inapp": _token(_MAX_USER_ID),
}


def normalize(channel: str, address: str) -> str:
    """``address`` as the providers of ``channel`` want it: emails with their domain in lower case, numbers in E.164.
    Raises AddressInvalid."""
    return _BY_CHANNEL[channel](address)
