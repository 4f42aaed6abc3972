"""Why a send failed, and whose fault it was. The whole product decides on these two facts:

``retryable``
    whether the same message may succeed later;
``provider_fault``
    whether the failure says something about the provider: only these move its quality and its breaker.
"""

from __future__ import annotations

from typing import ClassVar


class ChannelsError(Exception):
    """Root of every error of this room."""


class ConfigurationError(ChannelsError):
    """An adapter's configuration is not valid. ``errors`` are pairs of a path in it and what is wrong there."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {detail}" for path, detail in errors))
        self.errors = errors


class ForbiddenUrl(ChannelsError, ValueError):
    """We do not send to this URL. ``code`` says why, in a word: ``invalid_url``, ``url_scheme``, ``url_credentials``,
    ``url_host``, ``url_port`` or ``private_address``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ProviderError(ChannelsError):
    """A provider did not take the message."""

    code: ClassVar[str] = "provider_error"
    retryable: ClassVar[bool] = True
    provider_fault: ClassVar[bool] = True
    #: A conversation that never reached the point of a verdict on the message uses up none of its attempts.
    uses_attempt: ClassVar[bool] = True
    #: Whether anybody was asked. Where nobody was, there was no conversation to write down.
    asked: ClassVar[bool] = True

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail or (self.__doc__ or "").partition("\n")[0])
        self.detail = str(self)
        #: Seconds the provider asks us to wait, where it says so.
        self.retry_after = retry_after


class Throttled(ProviderError):
    """The provider asks for patience: the message waits, and uses up no attempt."""

    code = "throttled"
    provider_fault = False
    uses_attempt = False


class NoProvider(ProviderError):
    """No provider of the channel can be asked now: the message waits, and uses up no attempt."""

    code = "no_provider"
    provider_fault = False
    uses_attempt = False


class Unavailable(ProviderError):
    """The provider could not be reached, or said that it is not well. It has not taken the message."""

    code = "unavailable"


class OutcomeUnknown(ProviderError):
    """The message was handed over and no answer came: it may have been sent. Sending again risks a duplicate."""

    code = "outcome_unknown"


class ReportAwaited(OutcomeUnknown):
    """No answer came, and whether the message was sent its provider soon reports: nobody else is asked before that."""

    code = "report_awaited"


class Misconfigured(ProviderError):
    """The provider refuses us, not the message (credentials, account, unknown sender). A person has to mend it."""

    code = "misconfigured"


class InternalFault(ProviderError):
    """A defect of ours kept the message from being handed over. It is tried again, and buried with its reason."""

    code = "internal_error"
    provider_fault = False


class Misdirected(InternalFault):
    """A test key's message was on its way to a real provider, or another one to a provider that is played. It was not
    handed over."""

    uses_attempt = False
    asked = False


class RecipientRejected(ProviderError):
    """The address is not deliverable, and will not be later."""

    code = "recipient_rejected"
    retryable = False
    provider_fault = False


class MessageRejected(ProviderError):
    """The content is not acceptable to the provider, and will not be later."""

    code = "message_rejected"
    retryable = False
    provider_fault = False


class EndpointUnavailable(Unavailable):
    """The address's own server did not take the message. Where the address is a server (a webhook, a mailbox that takes
    nothing for now), its failures are its owner's: one dead endpoint says nothing of the provider that posts to all the
    others."""

    code = "endpoint_unavailable"
    provider_fault = False


class EndpointSilent(OutcomeUnknown):
    """The address's own server was given the message and did not answer. As with EndpointUnavailable, no fault of the
    provider."""

    provider_fault = False


class LeaseLost(ProviderError):
    """The message was not handed over: its lease had run out, and somebody else may have it by now."""

    code = "lease_lost"
    provider_fault = False
    uses_attempt = False
    asked = False


class TooLate(ProviderError):
    """The message was not handed over: its deadline passed while it waited for a place."""

    code = "too_late"
    provider_fault = False
    uses_attempt = False
    asked = False


class ChannelHeld(ProviderError):
    """The channel is degraded and holds this message until it is better, or until the message's deadline."""

    code = "channel_held"
    provider_fault = False
    uses_attempt = False
    asked = False
