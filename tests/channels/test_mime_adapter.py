"""Emails, as any input makes them: nothing gets into the headers that was not meant for them."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.adapters import mime
from channels.errors import MessageRejected, RecipientRejected
from tests.channels.wire import message

SENDER = mime.parse_mailbox("Goutong <no-reply@example.com>")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
MIME_HEADERS = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
ANYTHING = st.text(st.characters(), max_size=200)


def built(to: str, subject: str, text: str = "x", html: str = "") -> bytes:
    return mime.build(
        message(channel="email", to=to, subject=subject, text=text, html=html),
        sender=SENDER,
        recipient=mime.parse_recipient(to),
        reply_to=None,
        message_id="<id@example.com>",
        now=datetime.now(UTC),
    )


@settings(deadline=None)
@given(subject=ANYTHING, text=ANYTHING, html=ANYTHING)
def test_a_subject_arrives_as_it_is_or_not_at_all(subject: str, text: str, html: str) -> None:
    try:
        content = built("a@example.com", subject, text, html)
    except MessageRejected:
        return
    got = email.message_from_bytes(content, policy=email.policy.default)
    assert [name for name in got if name not in MIME_HEADERS] == HEADERS
    assert str(got["Subject"]).split() == subject.split()
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(to=st.one_of(ANYTHING, ANYTHING.map(lambda text: f"{text}@example.com"), st.emails()))
def test_an_address_is_one_address_or_none(to: str) -> None:
    try:
        recipient = mime.parse_recipient(to)
    except RecipientRejected:
        return
    got = email.message_from_bytes(built(to, "s"), policy=email.policy.SMTPUTF8)
    assert [name for name in got if name not in MIME_HEADERS] == HEADERS
    assert len(got["To"].addresses) == 1
    assert recipient.addr_spec.count("@") == 1
    assert recipient.addr_spec.partition("@")[0] == to.rpartition("@")[0]


@settings(deadline=None)
@given(html=ANYTHING)
def test_any_html_has_a_text(html: str) -> None:
    assert isinstance(mime.text_of(html), str)


@pytest.mark.parametrize(
    "odd", ["<![", "<![if !x]>", "<![ foo]>", "<![foo[bar]]>", "<![CDATA[x]]>", "<!", "<?x?>", "</>"]
)
def test_odd_declarations_in_html_are_no_text(odd: str) -> None:
    assert mime.text_of(f"<p>before</p>{odd}<p>after</p>").split()[0] == "before"


def test_html_of_any_depth_has_a_text() -> None:
    assert mime.text_of("<div>" * 50_000 + "deep" + "</b>" * 50_000) == "deep"


@pytest.mark.parametrize("text", ["a\x00", "\ud800"])
def test_text_that_is_no_text_is_rejected(text: str) -> None:
    with pytest.raises(MessageRejected):
        built("a@example.com", "s", text)
