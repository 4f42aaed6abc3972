"""What the platform says and keeps: with its values, said again in the language of who reads it."""

from __future__ import annotations

from django.utils import translation

from admin_portal.drills.verdict import Finding
from admin_portal.kept_words import MARK, Words, in_english, pack, unpack
from admin_portal.models.requests import ActionKind
from admin_portal.steering.action_words import describe, worded
from admin_portal.steering.actions import Action

CHINESE = "zh-hans"


def said(text: str, language: str) -> str:
    """What was packed, in a language."""
    with translation.override(language):
        return str(unpack(text))


def test_words_are_kept_with_their_values_and_said_in_the_language_of_who_reads() -> None:
    with translation.override(CHINESE):
        kept = pack(Words("Step %(number)d: %(words)s", {"number": 3, "words": Words("its target no longer exists")}))
    assert said(kept, "en") == "Step 3: its target no longer exists"
    assert said(kept, CHINESE) == "第 3 步：其对象已不存在"


def test_a_word_that_is_a_choice_is_said_in_the_language_of_who_reads() -> None:
    with translation.override(CHINESE):
        kept = pack(Words("“%(action)s” can't be done to a target of this kind.", {"action": ActionKind.PAUSE.label}))
    assert said(kept, "en") == "“Pause and hold” can't be done to a target of this kind."
    assert "暂停" in said(kept, CHINESE)


def test_what_an_action_does_is_kept_whole() -> None:
    action = Action(kind=ActionKind.THROTTLE, target="priority:bulk", parameters={"rate_per_s": 5, "channel": "sms"})
    with translation.override(CHINESE):
        kept = pack(worded(action))
    assert said(kept, "en") == "Throttle messages of priority bulk on sms to 5/s"
    with translation.override(CHINESE):
        assert said(kept, CHINESE) == describe(action)
        assert "bulk" not in describe(action)


def test_what_is_kept_reads_as_english_to_who_knows_nothing_of_it() -> None:
    with translation.override(CHINESE):
        assert pack(Words("its time is over")).startswith("its time is over" + MARK)


def test_what_a_person_wrote_and_what_was_kept_before_stay_as_they_are() -> None:
    assert unpack(pack("它坏了: 100% of it")) == "它坏了: 100% of it"
    assert unpack("its time is over") == "its time is over"


def test_a_person_can_not_write_what_is_taken_for_the_words_of_the_platform() -> None:
    forged = pack(Words("its time is over"))
    assert isinstance(unpack(pack(forged)), str)


def test_a_text_of_old_that_has_the_mark_by_chance_is_shown_as_it_is() -> None:
    assert unpack(f"so{MARK}it is") == f"so{MARK}it is"


def test_several_sentences_are_said_one_after_the_other() -> None:
    kept = pack(Words.together([Words("Say why."), "so it is"]))
    assert said(kept, "en") == "Say why. so it is"
    assert said(kept, CHINESE) == "请说明原因。 so it is"


def test_the_log_and_the_audit_have_it_in_english() -> None:
    with translation.override(CHINESE):
        assert in_english(Words("its time is over")) == "its time is over"


def test_a_plan_that_stopped_is_said_in_the_language_of_who_reads_the_report() -> None:
    with translation.override(CHINESE):
        words = pack(Words("it was not begun"))
    finding = Finding(what="plan", expected=None, measured=None, good=False, words=words)
    assert finding.says() == "The plan did not come to its end: it was not begun"
