"""The common email, written by hand, says the same as the standard library's would."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.adapters import letter

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SENDER = Address("清禾 Goutong", "no-reply", "example.com")
LINE = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Zs")) | st.just(" "), max_size=300)
TEXT = st.lists(LINE, min_size=1, max_size=5).map("\n".join)


def write(subject: str = "Hello", text: str = "Hello", html: str = "", to: str = "li@example.com") -> bytes | None:
    local, _at, domain = to.rpartition("@")
    identifier = uuid4()
    return letter.write(
        identifier=identifier,
        subject=subject,
        text=text,
        html=html,
        sender=SENDER,
        recipient=Address(username=local, domain=domain),
        reply_to=Address("", "help", "example.com"),
        message_id=f"<{identifier}@example.com>",
        now=NOW,
    )


def read(written: bytes | None) -> EmailMessage:
    assert written is not None
    assert written.isascii()
    assert b"\n" not in written.replace(b"\r\n", b"")
    assert max(map(len, written.split(b"\r\n"))) <= 78
    found = email.message_from_bytes(written, policy=policy.default)
    assert [defect for part in found.walk() for defect in part.defects] == []
    assert isinstance(found, EmailMessage)
    return found


def body(found: EmailMessage, kind: str) -> str:
    part = found.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@given(subject=LINE.map(str.strip), text=TEXT, html=st.just("") | TEXT)
def test_whatever_is_written_is_read_again(subject: str, text: str, html: str) -> None:
    found = read(write(subject=subject, text=text, html=html))
    assert found["Subject"] == subject
    assert body(found, "plain") == (f"{text}\n" if text and not text.endswith("\n") else text)
    if html:
        assert body(found, "html") == (html if html.endswith("\n") else f"{html}\n")


def test_headers_are_those_of_any_email_of_ours() -> None:
    found = read(write())
    assert found["From"] == "清禾 Goutong <no-reply@example.com>"
    assert found["To"] == "li@example.com"
    assert found["Reply-To"] == "help@example.com"
    assert found["Date"].datetime == NOW
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["MIME-Version"] == "1.0"
    assert found["Message-ID"].endswith("@example.com>")


@pytest.mark.parametrize("subject", ["=?utf-8?b?SGk=?=", "a =?", "x" * 200, "码" * 100, "two  spaces", ""])
def test_a_subject_arrives_as_it_was_however_it_looks(subject: str) -> None:
    assert read(write(subject=subject))["Subject"] == subject


@pytest.mark.parametrize("to", ["李@example.com", f"{'x' * 64}@{'y' * 30}.com", '"two words"@example.com'])
def test_addresses_that_need_more_than_a_line_of_ascii_are_left_to_the_library(to: str) -> None:
    assert write(to=to) is None
