"""What the platform wrote down as a reason, as people read it: in their language, and without its own names for things.
Pure.

The engine, the router and the retries write English, once, into rows that somebody may read in another language much
later. They say few things, with figures in them: each is a phrase here, found in what was written and said again for
the reader. What is none of them, a person's own reason or a provider's answer, stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from admin_portal.outcome_words import outcome
from channels.degradation.standing import ChannelState, ProviderState
from channels.names import PinAction, PinSource

#: What a person or a program has ordered, as something that was done to a target.
ORDERS: Final[Mapping[str, Any]] = {
    PinAction.DISABLE: gettext_lazy("provider disabled"),
    PinAction.SET_WEIGHTS: gettext_lazy("weights set"),
    PinAction.SWITCH: gettext_lazy("switched"),
    PinAction.SHED_BULK: gettext_lazy("bulk held back"),
    PinAction.THROTTLE: gettext_lazy("throttled"),
    PinAction.HOLD: gettext_lazy("paused"),
}
CHANNEL_STATES: Final[Mapping[str, Any]] = {
    ChannelState.NORMAL: gettext_lazy("normal"),
    ChannelState.SHEDDING: gettext_lazy("shedding"),
    ChannelState.SWITCHED: gettext_lazy("switched"),
    ChannelState.PAUSED: gettext_lazy("paused"),
}
PROVIDER_STATES: Final[Mapping[str, Any]] = {
    ProviderState.HEALTHY: gettext_lazy("healthy"),
    ProviderState.DEGRADED: gettext_lazy("degraded"),
    ProviderState.OPEN: gettext_lazy("cut off"),
    ProviderState.RECOVERING: gettext_lazy("recovering"),
    ProviderState.DISABLED: gettext_lazy("disabled"),
}
SOURCES: Final[Mapping[str, Any]] = {
    "auto": gettext_lazy("automatic"),
    PinSource.MANUAL: gettext_lazy("a person"),
    PinSource.PLAN: gettext_lazy("a plan"),
    PinSource.DRILL: gettext_lazy("a drill"),
}

# --- the phrases ------------------------------------------------------------------------------------------------------

#: Said as they were written, in the reader's language.
_SAME: Final = (
    # a judgement
    gettext_noop("p95 %(ms)s ms over %(seconds)s s, %(samples)s samples"),
    gettext_noop("no answer for %(seconds)s s with %(count)s under way"),
    gettext_noop("%(share)s of %(count)s receipts missing or later than %(seconds)s s"),
    gettext_noop("no traffic for %(seconds)s s"),
    gettext_noop("%(share)s errors over %(seconds)s s, %(samples)s samples, p95 %(ms)s ms"),
    gettext_noop("%(share)s errors over %(seconds)s s, %(samples)s samples"),
    # a provider
    gettext_noop("its share stays, as no other provider is well"),
    gettext_noop("share cut to %(share)s"),
    gettext_noop("share back to %(share)s"),
    gettext_noop("%(count)s probes in a row succeeded"),
    gettext_noop("no message that may be a probe came for %(seconds)s s: its share is tried"),
    gettext_noop("%(count)s faults in a row, all %(batch)s of the last batch"),
    gettext_noop("enabled"),
    gettext_noop("disabled"),
    # a channel
    gettext_noop("no provider is enabled"),
    gettext_noop("no provider carries traffic"),
    gettext_noop("to the fallback channel"),
    gettext_noop("all held: no fallback channel is usable"),
    gettext_noop("no provider is well"),
    gettext_noop("still no provider is well"),
    gettext_noop("bulk is held"),
    gettext_noop("bulk is held again"),
    gettext_noop("%(share)s of what may goes to the fallback channel"),
    gettext_noop("no provider keeps up with what comes back"),
    gettext_noop("%(share)s of it"),
    gettext_noop("%(share)s of it is back"),
    gettext_noop("%(share)s of the weights take over the rest at once"),
    gettext_noop("bulk waits a moment"),
    gettext_noop("a provider is well"),
    gettext_noop("all is back"),
    gettext_noop("only bulk is held back"),
    gettext_noop("bulk at up to %(rate)s"),
    gettext_noop("twice that each %(seconds)s s"),
    gettext_noop("%(name)s bulk comes back at %(rate)s"),
    # a message on its way
    gettext_noop("%(name)s chosen, nobody else carries"),
    gettext_noop("%(name)s chosen, weight %(count)s of %(total)s"),
    gettext_noop("next after %(name)s, weight %(count)s of %(total)s"),
    gettext_noop("the only provider"),
    gettext_noop("last resort, weight 0"),
    gettext_noop("probe"),
    gettext_noop("%(name)s skipped"),
    gettext_noop("weights"),
    gettext_noop("no provider of %(name)s carries traffic"),
    gettext_noop("no provider is enabled for %(name)s"),
    gettext_noop("%(name)s is at its rate limit of %(rate)s"),
    gettext_noop("again in %(seconds)s s"),
    gettext_noop("again at %(moment)s"),
    gettext_noop("to be sent at %(moment)s"),
    gettext_noop("held for a person"),
    gettext_noop("its provider's report has come and is looked at first"),
    gettext_noop("attempt %(count)s was the last"),
    gettext_noop("no time for another try: next in %(seconds)s s, %(left)s s left"),
    gettext_noop("on to %(name)s"),
    gettext_noop("on by another channel"),
    gettext_noop("%(name)s gave up (%(code)s)"),
    gettext_noop("its deadline %(moment)s passed after %(count)s attempts"),
    gettext_noop("the time of this step was over at %(moment)s"),
    gettext_noop("it may have arrived by %(name)s too, the outcome of a try is unknown"),
    gettext_noop("every provider is busy"),
    gettext_noop("%(name)s at %(rate)s"),
    # an order that ended by itself
    gettext_noop("its time is over"),
    gettext_noop("nobody approved it in time"),
    gettext_noop("its start is too long ago"),
    gettext_noop("its target no longer exists"),
    gettext_noop("replaced by #%(count)s"),
)
#: What was written, and how it is said to people.
_OTHERWISE: Final[Mapping[str, str]] = {
    "the pin (%(source)s) is over": gettext_noop("the order (%(source)s) is over"),
    "%(name)s skipped: open since %(time)s": gettext_noop("%(name)s skipped: cut off since %(time)s UTC"),
    "%(name)s %(provider_state)s at %(share)s since %(time)s": gettext_noop(
        "%(name)s %(provider_state)s at %(share)s since %(time)s UTC"
    ),
    "%(name)s %(channel_state)s since %(time)s": gettext_noop("%(name)s %(channel_state)s since %(time)s UTC"),
    "%(name)s %(provider_state)s": gettext_noop("%(name)s %(provider_state)s"),
}
#: The same of orders (``PinSpec.words``), which are written after any target, and are like nothing else.
_ORDERED: Final[Mapping[str, str]] = {
    "%(order)s by %(name)s (manual) until %(until)s UTC": gettext_noop("%(order)s by %(name)s until %(until)s"),
    "%(order)s by %(name)s (%(source)s) until %(until)s UTC": gettext_noop(
        "%(order)s by %(name)s (%(source)s) until %(until)s"
    ),
}


def _local(written: str) -> str:
    """A moment of the log, in the reader's time zone, the same in every language."""
    at = datetime.fromisoformat(written)
    shape = "%Y-%m-%d %H:%M" if at.tzinfo is None else "%Y-%m-%d %H:%M:%S"
    return timezone.localtime(at.replace(tzinfo=UTC)).strftime(shape)


def _any_of(names: Mapping[str, Any]) -> str:
    return "|".join(map(re.escape, names))


#: What stands where a phrase has one of these names; under any other name, a number does.
_SHAPES: Final[Mapping[str, str]] = {
    "share": r"\d+%",
    "name": r"[\w.@+:-]*[\w@+-]",
    "rate": r"\d+/\w+",
    "order": _any_of(ORDERS),
    "source": _any_of(SOURCES),
    "provider_state": _any_of(PROVIDER_STATES),
    "channel_state": _any_of(CHANNEL_STATES),
    "until": r"\d{4}-\d\d-\d\d \d\d:\d\d",
    "moment": r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)",
    "code": r"[a-z_]+",
    "time": r"\d\d:\d\d:\d\d",
}
_NUMBER: Final = r"\d+(?:\.\d+)?"
#: How what was found there is said.
_SAID: Final[Mapping[str, Callable[[str], Any]]] = {
    "order": ORDERS.__getitem__,
    "source": SOURCES.__getitem__,
    "provider_state": PROVIDER_STATES.__getitem__,
    "channel_state": CHANNEL_STATES.__getitem__,
    "code": outcome,
    "until": _local,
    "moment": _local,
}
_PLACE: Final = re.compile(r"%\((\w+)\)s")
#: A phrase is a clause of its own: so people's sentences, which may say the same in passing, stay theirs.
_BEFORE, _AFTER = r"(?:^|(?<=; )|(?<=\()|(?<=: )|(?<=, ))", r"(?=$|;|:|,|\)| \()"


@dataclass(frozen=True, slots=True)
class _Phrase:
    """``pattern`` finds it in what was written; ``words`` is what is said, in English."""

    pattern: re.Pattern[str]
    words: str

    def say(self, found: re.Match[str]) -> str:
        """In the reader's language."""
        values = {name: _SAID.get(name, str)(value) for name, value in found.groupdict().items()}
        return gettext(self.words) % values


def _shape_of(written: str) -> str:
    """The pattern of a phrase, without its surroundings."""
    parts = _PLACE.split(written)
    return "".join(
        f"(?P<{part}>{_SHAPES.get(part, _NUMBER)})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )


def _phrases(written: Mapping[str, str]) -> tuple[_Phrase, ...]:
    return tuple(_Phrase(re.compile(_shape_of(one)), words) for one, words in written.items())


def _any_phrase(phrases: tuple[_Phrase, ...]) -> str:
    return "|".join(re.sub(r"\?P<\w+>", "?:", one.pattern.pattern) for one in phrases)


_CLAUSES: Final = _phrases({**_OTHERWISE, **dict(zip(_SAME, _SAME, strict=True))})
_ORDER_PHRASES: Final = _phrases(_ORDERED)
_ANY: Final = re.compile(f"{_BEFORE}(?:{_any_phrase(_CLAUSES)}){_AFTER}|{_any_phrase(_ORDER_PHRASES)}")


def told(written: str) -> str:
    """``written`` for who reads it now."""
    return _ANY.sub(_say, written)


def _say(found: re.Match[str]) -> str:
    text = found.group()
    for phrase in (*_CLAUSES, *_ORDER_PHRASES):
        match = phrase.pattern.fullmatch(text)
        if match:
            return phrase.say(match)
    return text
