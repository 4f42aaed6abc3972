"""Addresses: what each channel takes, written one way; and the quick look never says yes where the libraries say no."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat, PhoneNumberType

from channels import addresses
from channels.addresses import AddressInvalid, normalize

LONG = "x" * 5000


@pytest.mark.parametrize(
    ("channel", "address", "normal"),
    [
        ("email", "alice@example.com", "alice@example.com"),
        ("email", "Alice.B+tag@Example.COM", "Alice.B+tag@example.com"),
        ("email", "INFO@example.com", "info@example.com"),
        ("email", "a@b.test", "a@b.test"),
        ("email", "用户@例子.广告", "用户@例子.广告"),
        ("email", "user@münchen.example", "user@münchen.example"),
        ("sms", "+8613800000000", "+8613800000000"),
        ("sms", "+86 138-0000-0000", "+8613800000000"),
        ("voice", "+44 (0) 20 7946 0018", "+442079460018"),
        ("sms", "+12125550100", "+12125550100"),
        ("push", "fcm:APA91b-_x", "fcm:APA91b-_x"),
        ("push", "x" * 4096, "x" * 4096),
        ("im", "张三", "张三"),
        ("inapp", "user 1", "user 1"),
        ("webhook", "https://hooks.example.com/a?b=c", "https://hooks.example.com/a?b=c"),
    ],
)
def test_a_good_address_is_taken(channel: str, address: str, normal: str) -> None:
    assert normalize(channel, address) == normal


@pytest.mark.parametrize(
    ("channel", "address", "code"),
    [
        *((channel, "", "required") for channel in ("email", "sms", "push", "im", "webhook", "inapp")),
        *((channel, LONG, "too_long") for channel in ("email", "sms", "push", "im", "webhook", "inapp")),
        *((channel, "a\r\nBcc: x", "invalid_characters") for channel in ("email", "sms", "push", "im", "inapp")),
        *((channel, "a\ud800", "invalid_characters") for channel in ("email", "sms", "push", "im", "inapp", "webhook")),
        *((channel, "a\x00", "invalid_characters") for channel in ("email", "sms", "push", "im", "inapp", "webhook")),
        ("email", "alice@example.com\n", "invalid_characters"),
        ("email", "alice", "invalid_email"),
        ("email", "alice@localhost", "invalid_email"),
        ("email", "a@-b.com", "invalid_email"),
        ("email", "a..b@example.com", "invalid_email"),
        ("email", "Alice <alice@example.com>", "invalid_email"),
        ("email", '"a b"@example.com', "invalid_email"),
        ("email", "x" * 65 + "@example.com", "invalid_email"),
        ("sms", "13800000000", "invalid_phone"),
        ("sms", "+8613800000000\n", "invalid_characters"),
        ("sms", "+86138", "invalid_phone"),
        ("sms", "+9990000000", "invalid_phone"),
        ("sms", "+12125550100 ext. 5", "invalid_phone"),
        ("sms", "＋8613800000000", "invalid_phone"),
        ("sms", "+٨٦١٣٨٠٠٠٠٠٠٠٠", "invalid_phone"),
        ("sms", "+8613800000000 x", "invalid_phone"),
        ("sms", "+86 call me 13800000000", "invalid_phone"),
        ("push", " token", "invalid_characters"),
        ("inapp", "x" * 256, "too_long"),
        ("im", "x" * 1025, "too_long"),
        ("webhook", "ftp://example.com/", "url_scheme"),
        ("webhook", "http://127.0.0.1/", "private_address"),
        ("webhook", "http://[::1]/", "private_address"),
        ("webhook", "https://a:b@example.com/", "url_credentials"),
        ("webhook", "nonsense", "url_scheme"),
    ],
)
def test_a_bad_address_is_refused_without_being_quoted(channel: str, address: str, code: str) -> None:
    with pytest.raises(AddressInvalid) as caught:
        normalize(channel, address)

    assert caught.value.code == code
    assert address not in caught.value.detail.replace("+8613800000000", "") or len(address) < 4


PIECES = st.text(alphabet="abzAZ09._+-@xn\u00e9 ", min_size=0, max_size=20)
LABELS = st.lists(st.text(alphabet="abz09-XN", min_size=0, max_size=66), min_size=1, max_size=4).map(".".join)
LOCALS = st.sampled_from(["info", "INFO", "Support", "a.b", "a..b", ".a", "x" * 64, "x" * 65]) | PIECES
ENDINGS = st.sampled_from(["com", "test", "local", "invalid", "c", "xn--p1ai", "COM", "c0m", "x" * 63, "x" * 64])


@given(local=LOCALS, labels=LABELS, ending=ENDINGS)
def test_what_is_plainly_an_email_is_one_to_the_library_and_the_same(local: str, labels: str, ending: str) -> None:
    address = f"{local}@{labels}.{ending}"

    if addresses._is_plain_email(address):
        found = validate_email(address, check_deliverability=False, strict=True, test_environment=True)
        assert found.normalized == address


def _near_examples() -> list[str]:
    """Numbers like those of every country's mobiles, with a few digits changed."""
    chance = random.Random(20260301)
    found = []
    for code, (region, *_others) in COUNTRY_CODE_TO_REGION_CODE.items():
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example is None:
            continue
        for _ in range(40):
            digits = list(str(example.national_number))
            for _change in range(chance.randint(0, 4)):
                digits[chance.randrange(len(digits))] = chance.choice("0123456789")
            found.append(f"+{code}{''.join(digits[: chance.choice([len(digits), len(digits), len(digits) - 1])])}")
    return found


def test_what_is_plainly_a_mobile_number_is_one_to_the_library_and_the_same() -> None:
    plain = [number for number in _near_examples() if addresses._is_plain_mobile(number)]

    assert len(plain) > 1000
    for number in plain:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed), number
        assert phonenumbers.format_number(parsed, PhoneNumberFormat.E164) == number


@pytest.mark.parametrize("number", ["+8613800001234", "+8619912345678", "+12125550100", "+4915123456789"])
def test_ordinary_mobile_numbers_take_the_quick_way(number: str) -> None:
    assert addresses._is_plain_mobile(number)


@given(number=st.from_regex(r"\A\+?[0-9]{0,16}\Z"))
def test_any_digits_are_judged_as_the_library_judges_them(number: str) -> None:
    try:
        ours: str | None = normalize("sms", number)
    except AddressInvalid:
        ours = None
    try:
        parsed = phonenumbers.parse(number)
        valid = number.startswith("+") and phonenumbers.is_valid_number(parsed)
        theirs = phonenumbers.format_number(parsed, PhoneNumberFormat.E164) if valid else None
    except phonenumbers.NumberParseException:
        theirs = None

    assert ours == theirs
