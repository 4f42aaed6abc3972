"""What every adapter is: a configuration, and a way to hand messages over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels.errors import ConfigurationError, ProviderError
from channels.types import MAX_CONCURRENCY, CallbackRequest, DeliveryEvent, OutboundMessage, SendReceipt

Answer = tuple[OutboundMessage, SendReceipt | ProviderError]


class AdapterConfig(BaseModel):
    """The keys of a provider's ``config``: unknown ones are refused, secrets are ``SecretStr``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


#: Of a provider that reports what became of messages.
ReportWithin = Annotated[
    float,
    Field(
        ge=0,
        le=600,
        description="Seconds after a message was handed over within which it is reported, by our ids. One without an"
        " answer waits so long for that before anybody is asked again.",
    ),
]


Config = TypeVar("Config", bound=AdapterConfig)


def parse_config(schema: type[Config], config: dict[str, Any]) -> Config:
    """``config`` checked against ``schema``. Raises ConfigurationError with every fault and its path."""
    try:
        return schema.model_validate(config)
    except ValidationError as error:
        faults = [(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
        raise ConfigurationError(faults) from None


class Adapter(ABC):
    """Hands messages to one provider account.

    One instance serves one provider for as long as its configuration stands; several threads call it at once, each
    with messages of its own. An adapter keeps no state about messages, never logs addresses, and raises nothing but
    the ProviderError tree: anything else is a defect in the adapter, and the gateway treats it as one.
    """

    #: How many messages one call of ``send_batch`` should get, where handing over many at once is cheaper. Read it from
    #: the instance: a configuration may change it.
    batch_size: int = 1
    config_schema: ClassVar[type[AdapterConfig]] = AdapterConfig

    def __init__(self, *, provider: str, config: dict[str, Any], concurrency: int = MAX_CONCURRENCY) -> None:
        """``concurrency``: how many calls there may be at once, and so how many connections are worth keeping."""
        self.provider = provider
        self.concurrency = concurrency
        self.setup(config)

    @abstractmethod
    def setup(self, config: dict[str, Any]) -> None:
        """Checks ``config`` (raises ConfigurationError) and builds what is shared between calls. No network."""

    @abstractmethod
    def send(self, message: OutboundMessage, *, timeout: float) -> SendReceipt:
        """Hands one message over within ``timeout`` seconds. Raises a ProviderError when it was not taken."""

    def send_batch(self, messages: Iterable[OutboundMessage], *, timeout: float) -> Iterator[Answer]:
        """Hands several messages over, yielding an answer for each as it comes. ``timeout`` is for each of them.

        Take a message out of ``messages`` only when you are about to hand it over: each taking asks whether it is still
        ours to send. A worker that slept past its lease finds that they have come to an end.
        """
        for message in messages:
            try:
                yield message, self.send(message, timeout=timeout)
            except ProviderError as error:
                yield message, error

    @property
    def takes_callbacks(self) -> bool:
        """Whether reports of this provider can be believed, as it is configured. Only then may a SendReceipt promise
        ``receipts``: who can't be heard is not to be judged by what he does not say."""
        return False

    def parse_callback(self, request: CallbackRequest) -> list[DeliveryEvent]:
        """What a callback of this provider says, once its signature is checked. Most protocols have none. Raises
        CallbackForged or CallbackUnreadable."""
        return []

    @property
    def callback_answer(self) -> str:
        """What the provider wants to read when its callback was taken; empty where a 200 is enough."""
        return ""

    def close(self) -> None:  # noqa: B027  (most adapters have nothing to let go of)
        """Lets go of connections; called when the provider's configuration changes."""
