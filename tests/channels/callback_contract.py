"""What every adapter that reads callbacks must do. A new one gets all these tests by one class:

class TestMyCallbacks(CallbackContract):
    adapter = "my_adapter"
    config = {...}

    def request(self, *reports, now): ...as the provider would send it, signed
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from channels import registry
from channels.callbacks import CallbackForged, CallbackUnreadable
from channels.types import CallbackRequest, DeliveryEvent


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider reports of one message. ``delivered`` None: nothing yet."""

    id: str
    delivered: bool | None = True
    at: datetime | None = None
    detail: str = ""


class CallbackContract:
    """The tests. ``signature`` is where the signature is: a header's name, or ``?`` and a parameter's."""

    adapter: ClassVar[str]
    config: ClassVar[dict[str, Any]]
    signature: ClassVar[str]
    #: Whether the body is signed, and when it was signed can be told.
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = True

    def request(self, *reports: Told, now: datetime) -> CallbackRequest:
        """The request that brings ``reports``, as the provider sends it."""
        raise NotImplementedError

    def signed(self, body: bytes, *, now: datetime) -> CallbackRequest:
        """A request that is signed as it should be, whatever it says."""
        raise NotImplementedError

    def parse(self, request: CallbackRequest, **changed: Any) -> list[DeliveryEvent]:
        adapter = registry.build(adapter=self.adapter, provider="p", config={**self.config, **changed})
        try:
            return adapter.parse_callback(request)
        finally:
            adapter.close()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def resigned(self, request: CallbackRequest, signature: str) -> CallbackRequest:
        """``request`` with another signature."""
        if self.signature.startswith("?"):
            return replace(request, query={**request.query, self.signature[1:]: signature})
        return replace(request, headers={**request.headers, self.signature: signature})

    def test_each_report_becomes_an_event(self) -> None:
        at = (self.now() - timedelta(seconds=30)).replace(microsecond=0)
        request = self.request(Told("m1", at=at, detail="fine"), Told("m2", delivered=False), now=self.now())
        events = self.parse(request)
        assert [(event.provider_message_id, event.delivered) for event in events] == [("m1", True), ("m2", False)]
        assert (events[0].at, events[0].detail) == (at, "fine")

    def test_its_callbacks_are_taken(self) -> None:
        adapter = registry.build(adapter=self.adapter, provider="p", config=self.config)
        assert adapter.takes_callbacks

    def test_what_says_nothing_yet_is_no_event(self) -> None:
        assert self.parse(self.request(Told("m1", delivered=None), now=self.now())) == []

    @pytest.mark.parametrize("signature", ["", "x", "ÿ", "\udc80", "0" * 64, "a" * 10_000])
    def test_a_wrong_signature_is_refused(self, signature: str) -> None:
        with pytest.raises(CallbackForged):
            self.parse(self.resigned(self.request(Told("m1"), now=self.now()), signature))

    def test_a_missing_signature_is_refused(self) -> None:
        request = self.request(Told("m1"), now=self.now())
        with pytest.raises(CallbackForged):
            self.parse(replace(request, headers={}, query={}))

    def test_a_signature_made_with_another_secret_is_refused(self) -> None:
        with pytest.raises(CallbackForged):
            self.parse(self.request(Told("m1"), now=self.now()), callback_secret="another")

    def test_a_body_that_was_changed_is_refused(self) -> None:
        if not self.signs_body:
            pytest.skip("the body is not signed")
        request = self.request(Told("m1", delivered=False), now=self.now())
        with pytest.raises(CallbackForged):
            self.parse(replace(request, body=request.body.replace(b"m1", b"m2")))

    @pytest.mark.parametrize("age_s", [-3600, 3600])
    def test_a_signature_of_another_time_is_refused(self, age_s: int) -> None:
        if not self.signs_time:
            pytest.skip("when it was signed is not said")
        with pytest.raises(CallbackForged):
            self.parse(self.request(Told("m1"), now=self.now() - timedelta(seconds=age_s)))

    @pytest.mark.parametrize("body", [b"[", b"\xff\xfe", b"[" * 100_000, b"1", b'"x"', b"[1]", b"[{}]", b"{}"])
    def test_what_is_signed_and_makes_no_sense_is_unreadable(self, body: bytes) -> None:
        with pytest.raises(CallbackUnreadable):
            self.parse(self.signed(body, now=self.now()))

    def test_what_is_refused_is_not_repeated(self) -> None:
        with pytest.raises(CallbackForged) as refused:
            self.parse(self.resigned(self.request(Told("m1-private"), now=self.now()), "forged-signature"))
        assert "private" not in str(refused.value)
        assert "forged-signature" not in str(refused.value)

    def test_addresses_in_its_words_are_masked(self) -> None:
        (event,) = self.parse(self.request(Told("m1", detail="to +8613800000000"), now=self.now()))
        assert "13800000000" not in event.detail

    def test_without_a_secret_no_callback_is_believed(self) -> None:
        config = {key: value for key, value in self.config.items() if not key.startswith("callback")}
        adapter = registry.build(adapter=self.adapter, provider="p", config=config)
        with pytest.raises(CallbackForged):
            adapter.parse_callback(self.request(Told("m1"), now=self.now()))

    def test_the_secret_is_marked_as_one(self) -> None:
        assert "callback_secret" in registry.secret_keys(self.adapter)
