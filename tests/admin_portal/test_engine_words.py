"""What the engine wrote, in the reader's language: every sentence it can write, and nobody else's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation

from admin_portal import audit
from admin_portal.engine_words import told
from channels.acting import ENGINE
from channels.degradation import standings
from channels.degradation.standing import ProviderStanding, ProviderState
from channels.models import Provider
from tests.admin_portal.conftest import SignIn

_WRITERS: Final = ("judgement", "provider_rules", "fast_trip", "probing", "channel_rules", "handing_back")
_HOW: Final = (
    "sms-a healthy: 0% errors over 60 s, 412 samples, p95 85 ms; sms-b open: 61% errors over 60 s, 412 samples"
)
_ORDER: Final = "by wang (manual) until 2026-11-29 17:05 UTC: 慢"
#: At least one of each sentence.
SENTENCES: Final = (
    "p95 2310 ms over 60 s, 412 samples",
    "no answer for 12 s with 7 under way",
    "31% of 120 receipts missing or later than 300 s",
    "no traffic for 60 s",
    "61% errors over 60 s, 412 samples",
    "61% errors over 60 s, 412 samples, p95 85 ms",
    "61% errors over 60 s, 412 samples; its share stays, as no other provider is well",
    "61% errors over 60 s, 412 samples; share cut to 30%",
    "0% errors over 60 s, 412 samples, p95 85 ms; share back to 60%",
    "5 probes in a row succeeded",
    "no message that may be a probe came for 60 s: its share is tried",
    "8 faults in a row, all 4 of the last batch",
    "enabled",
    "disabled",
    "the pin (manual) is over",
    "the pin (plan) is over; no provider is enabled",
    "no provider is enabled",
    f"no provider carries traffic ({_HOW}); to the fallback channel",
    f"no provider carries traffic ({_HOW}); all held: no fallback channel is usable",
    f"no provider is well ({_HOW}); bulk is held",
    f"no provider is well ({_HOW}); bulk is held again",
    f"still no provider is well ({_HOW}); 30% of what may goes to the fallback channel",
    f"no provider keeps up with what comes back ({_HOW}); 10% of it",
    f"30% of the weights take over the rest at once ({_HOW}); bulk waits a moment",
    f"a provider is well ({_HOW}); 30% of it is back",
    f"a provider is well ({_HOW}); all is back",
    f"a provider is well ({_HOW}); only bulk is held back",
    f"a provider is well ({_HOW}); 30% of it is back; bulk at up to 6/s",
    f"a provider is well ({_HOW}); all is back; bulk at up to 20/s, twice that each 600 s",
    "sms bulk comes back at 12/s",
)
#: What people order, and what routing and retries write into attempts and events.
OTHERS: Final = (
    f"no provider is well (sms-a set_weights {_ORDER}; sms-b recovering: no traffic for 60 s); bulk is held",
    f"disable {_ORDER}",
    "switch by wang (plan) until 2026-11-29 17:05 UTC: 慢",
    f"channel:sms hold {_ORDER}",
    f"application:shop at 10/s: throttle {_ORDER}",
    "sms-a is at its rate limit of 200/s; again in 0.4 s",
    f"sms-a skipped: disable {_ORDER}; sms-b chosen, nobody else carries",
    f"weights: set_weights {_ORDER}; sms-b chosen, weight 30 of 100",
    "sms-b skipped: open since 12:00:01, 61% errors over 60 s, 412 samples; sms-a chosen, weight 70 of 100",
    "sms-b degraded at 30% since 12:00:01, p95 2310 ms over 60 s, 412 samples; share cut to 30%",
    "probe: sms-b skipped: open since 12:00:01, 8 faults in a row, all 4 of the last batch",
    "next after sms-a, weight 30 of 100",
    "the only provider",
    "last resort, weight 0",
    f"sms switched since 12:00:01: no provider carries traffic ({_HOW}); to the fallback channel; on to inapp",
    "no provider of sms carries traffic: sms-b skipped: open since 12:00:01, no traffic for 60 s",
    "no provider is enabled for sms",
    "attempt 5 was the last: 503",
    "no time for another try: next in 12.0 s, 3.5 s left; 503",
    "503: held for a person",
    "no time for another try: next in 12.0 s, 3.5 s left; 503: held for a person",
    "attempt 5 was the last: 503: held for a person",
    "its deadline 2026-11-29T17:05:01.250000+00:00 passed after 3 attempts: held for a person",
    "its provider's report has come and is looked at first",
    "503; on by another channel",
    "503; again at 2026-11-29T17:05:01.250Z",
    "sms gave up (attempts_used_up): attempt 5 was the last: 503; on to inapp",
    "its deadline 2026-11-29T17:05:01.250000+00:00 passed after 3 attempts",
    "the time of this step was over at 2026-11-29T17:05:01+00:00",
    "it may have arrived by sms too, the outcome of a try is unknown; sms gave up (deadline): 503; on to inapp",
    "every provider is busy; again in 0.4 s",
    "to be sent at 2026-11-29T17:05:01.250Z",
    "its time is over",
    "nobody approved it in time",
    "its start is too long ago",
    "its target no longer exists",
    "replaced by #12",
)
#: Names and units: not words.
_NAMES: Final = re.compile(r"\b(sms-a|sms-b|sms|inapp|wang|shop|channel|application|p95|ms|s|UTC|\d+/s)\b")


def _sentences(module: str) -> Iterator[str]:
    """Every text of more than one word in a module of the engine, as a pattern; not what describes the code."""
    path = Path(settings.BASE_DIR) / "channels" / "degradation" / f"{module}.py"
    tree = ast.parse(path.read_text())
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(str(one.value)) if isinstance(one, ast.Constant) else ".*" for one in node.values]
            if re.search("[a-z]{2}", "".join(parts)):
                yield "".join(parts)
        elif isinstance(node, ast.Constant) and id(node) not in described | within and " " in str(node.value):
            yield re.escape(str(node.value))


def test_every_sentence_that_the_engine_can_write_is_among_these() -> None:
    written = [sentence for module in _WRITERS for sentence in _sentences(module)]
    assert len(written) > 20
    assert [one for one in written if not any(re.search(one, known) for known in SENTENCES)] == []


@pytest.mark.parametrize("sentence", [*SENTENCES, *OTHERS])
def test_a_reader_of_chinese_reads_no_english(sentence: str) -> None:
    with translation.override("zh-hans"):
        said = told(sentence)
    assert re.findall("[A-Za-z_]{2,}", _NAMES.sub("", said)) == []


@pytest.mark.parametrize("sentence", SENTENCES[:12])
def test_a_reader_of_english_reads_what_was_written(sentence: str) -> None:
    with translation.override("en"):
        assert told(sentence) == sentence


def test_orders_are_told_in_people_s_words_and_in_the_reader_s_time() -> None:
    with translation.override("en"), timezone.override("Asia/Shanghai"):
        assert told(f"sms-a set_weights {_ORDER}") == "sms-a weights set by wang until 2026-11-30 01:05: 慢"
        told_plan = told("hold by li (plan) until 2026-11-29 17:05 UTC: slow")
    assert told_plan == "paused by li (a plan) until 2026-11-30 01:05: slow"


@pytest.mark.django_db
def test_the_board_and_the_audit_tell_them_in_chinese(sign_in: SignIn) -> None:
    Provider.objects.create(name="sms-b", channel="sms", adapter="sandbox")
    reason, at = "61% errors over 60 s, 412 samples", timezone.now()
    standing = ProviderStanding(state=ProviderState.OPEN, share=0.0, since=at, changed_at=at, reason=reason)
    standings.write(standings={"provider:sms-b": standing})
    audit.record(actor=ENGINE.name, action="standing.changed", target="provider:sms-b", reason=reason, now=at)
    client = sign_in("admin_portal.view_board", "admin_portal.view_auditentry")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    for page in ("admin:index", "admin:admin_portal_auditentry_changelist"):
        assert "60 秒内错误率 61%，412 个样本" in client.get(reverse(page)).content.decode()


def test_what_a_person_or_a_provider_said_stays_theirs() -> None:
    for own in ("They say no provider is well, all is back at 9", "HTTP 503 no traffic for 60 seconds", "", "x" * 2000):
        with translation.override("zh-hans"):
            assert told(own) == own
