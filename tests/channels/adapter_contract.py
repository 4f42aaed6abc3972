"""What every adapter must do. A new adapter gets all these tests by one class:

class TestMyAdapter(AdapterContract):
    adapter = "my_adapter"

    @contextmanager
    def working(self): ...yields a configuration that works
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import pytest

from channels import registry
from channels.adapters.base import Adapter
from channels.errors import ConfigurationError, OutcomeUnknown, ProviderError, Unavailable
from channels.types import OutboundMessage, SendReceipt
from tests.channels.wire import RawServer, dead_port, message, message_ids

#: How long a hanging server may take, and how much later than that is still in time on a busy machine.
TIMEOUT_S = 0.5
GRACE_S = 2.5


class AdapterContract:
    """The tests. ``bad`` are configurations that must be refused, with the path that is named."""

    adapter: ClassVar[str]
    channel: ClassVar[str] = "sms"
    #: Where an ordinary message goes, and one that the adapter itself must refuse (None: it refuses none).
    address: ClassVar[str] = "+8613800000000"
    bad_message: ClassVar[dict[str, Any] | None] = None
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = []
    #: Words of the configuration that must never be seen.
    secrets: ClassVar[list[str]] = []
    remote: ClassVar[bool] = True

    def working(self) -> AbstractContextManager[dict[str, Any]]:
        """A configuration that works, with whatever server it needs. It holds every one of ``secrets``."""
        raise NotImplementedError

    def pointed_at(self, config: dict[str, Any], port: int) -> dict[str, Any]:
        """``config``, but with its server at ``port`` of loopback."""
        raise NotImplementedError

    def message_for(self, port: int, **fields: Any) -> OutboundMessage:
        """An ordinary message; ``port`` matters where the address is the server."""
        return message(channel=self.channel, **{"to": self.address, **fields})

    @contextmanager
    def built(self, config: dict[str, Any]) -> Iterator[Adapter]:
        """The adapter, closed afterwards."""
        adapter = registry.build(adapter=self.adapter, provider="a-provider", config=config)
        try:
            yield adapter
        finally:
            adapter.close()

    @pytest.fixture
    def config(self) -> Iterator[dict[str, Any]]:
        with self.working() as config:
            yield config

    def test_a_message_is_taken(self, config: dict[str, Any]) -> None:
        with self.built(config) as adapter:
            receipt = adapter.send(self.message_for(0), timeout=5)
        assert isinstance(receipt, SendReceipt)
        assert adapter.takes_callbacks or not receipt.receipts, "reports are promised that nobody can hear"

    def test_a_batch_gets_one_answer_for_each_message_even_when_some_fail(self, config: dict[str, Any]) -> None:
        messages = [self.message_for(0, text=str(number)) for number in range(5)]
        if self.bad_message is not None:
            messages[2] = self.message_for(0, **self.bad_message)
        with self.built(config) as adapter:
            answers = list(adapter.send_batch(messages, timeout=5))
        assert sorted(message_ids([one for one, _answer in answers])) == sorted(message_ids(messages))
        refused = [one.id for one, answer in answers if isinstance(answer, ProviderError)]
        assert refused == ([] if self.bad_message is None else [messages[2].id])

    def test_the_adapter_can_be_used_after_a_batch(self, config: dict[str, Any]) -> None:
        with self.built(config) as adapter:
            list(adapter.send_batch([self.message_for(0)], timeout=5))
            assert adapter.send(self.message_for(0), timeout=5)

    def test_an_unknown_key_is_refused_by_name(self, config: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError) as caught:
            registry.check(adapter=self.adapter, channel=self.channel, config={**config, "no_such_key": 1})
        assert [path for path, _detail in caught.value.errors] == ["no_such_key"]

    def test_a_bad_value_is_refused_with_its_path(self, config: dict[str, Any]) -> None:
        for changed, path in self.bad:
            with pytest.raises(ConfigurationError) as caught:
                registry.check(adapter=self.adapter, channel=self.channel, config={**config, **changed})
            assert path in [found for found, _detail in caught.value.errors], changed

    def test_a_good_configuration_passes_the_check(self, config: dict[str, Any]) -> None:
        registry.check(adapter=self.adapter, channel=self.channel, config=config)

    def test_a_channel_it_does_not_serve_is_refused(self, config: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="does not serve"):
            registry.check(adapter=self.adapter, channel="no-such-channel", config=config)

    def test_a_dead_server_is_unavailable(self, config: dict[str, Any]) -> None:
        if not self.remote:
            pytest.skip("there is no server")
        port = dead_port()
        with self.built(self.pointed_at(config, port)) as adapter, pytest.raises(Unavailable) as caught:
            adapter.send(self.message_for(port), timeout=5)
        assert caught.value.retryable

    def test_a_hanging_server_is_an_unknown_outcome_within_the_timeout(self, config: dict[str, Any]) -> None:
        if not self.remote:
            pytest.skip("there is no server")
        with self.hanging() as server, self.built(self.pointed_at(config, server.port)) as adapter:
            began = time.monotonic()
            with pytest.raises(OutcomeUnknown):
                adapter.send(self.message_for(server.port), timeout=TIMEOUT_S)
            assert time.monotonic() - began < TIMEOUT_S + GRACE_S

    def hanging(self) -> RawServer:
        """A server that takes the message whole and never answers."""
        server = RawServer(lambda connection: server.stopping.wait(30) and None)
        return server

    def test_secrets_are_never_shown(self, config: dict[str, Any]) -> None:
        shown = []
        with self.built(config) as adapter:
            shown += [repr(adapter), str(adapter), repr(vars(adapter).get("_config"))]
        for changed, _path in [*self.bad, ({"no_such_key": 1}, "")]:
            with pytest.raises(ConfigurationError) as refused:
                registry.build(adapter=self.adapter, provider="p", config={**config, **changed})
            shown += [str(refused.value), repr(refused.value)]
        if self.remote:
            port = dead_port()
            with self.built(self.pointed_at(config, port)) as adapter, pytest.raises(ProviderError) as failed:
                adapter.send(self.message_for(port), timeout=5)
            shown += [str(failed.value), repr(failed.value)]
        for secret in self.secrets:
            assert not [text for text in shown if secret in text]

    def test_secret_keys_are_marked(self, config: dict[str, Any]) -> None:
        for key in registry.secret_keys(self.adapter):
            assert key in registry.adapter_class(self.adapter).config_schema.model_fields
        holders = {key for key, value in config.items() if any(secret in str(value) for secret in self.secrets)}
        assert holders <= registry.secret_keys(self.adapter)
