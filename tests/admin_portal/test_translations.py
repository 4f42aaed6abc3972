"""The tool that keeps the Chinese complete, and the Chinese."""

from __future__ import annotations

import gettext
from pathlib import Path

from babel.messages.catalog import Catalog

from config import translations

TEMPLATE = """
{% load i18n %}
{% trans "plain" %}
    {% trans "with context" context "place" %}
{% blocktranslate count n=n with x=x %}{{ n }} of {{ x }}{% plural %}{{ n }} of all {{ x }}{% endblocktranslate %}
{{ value|default:_("constant") }}
"""
SOURCE = """
from django.utils.translation import gettext_lazy as _, ngettext, pgettext
a = _("one " "two")
b = ngettext("%(n)d row", "%(n)d rows", 2)
c = pgettext("verb", "open")
d = _(variable)
"""


def test_chinese_is_complete() -> None:
    assert translations.faults(translations.load(), translations.extract()) == []


def test_messages_of_python_are_found() -> None:
    found = {key for _line, key in translations.python_messages(SOURCE)}
    assert found == {(None, "one two"), (None, ("%(n)d row", "%(n)d rows")), ("verb", "open")}


def test_messages_of_templates_are_found() -> None:
    found = {key for _line, key in translations.template_messages(TEMPLATE)}
    assert found == {
        (None, "plain"),
        ("place", "with context"),
        (None, ("%(n)s of %(x)s", "%(n)s of all %(x)s")),
        (None, "constant"),
    }


def test_descriptions_of_an_adapters_configuration_are_found() -> None:
    source = (
        "class C(B):\n    a: int = Field(default=1, description='The port.')\n    b: int = other(description='no')\n"
    )
    assert [key for _line, key in translations.description_messages(source)] == [(None, "The port.")]


def catalog(**messages: str) -> Catalog:
    made = Catalog(locale="zh_Hans", fuzzy=False)
    for identifier, string in messages.items():
        made.add(identifier, string, locations=[("a.py", 0)])
    return made


def test_what_is_missing_untranslated_or_obsolete_is_a_fault() -> None:
    faults = translations.faults(catalog(kept="留", empty="", gone="去"), catalog(kept="", empty="", fresh=""))
    assert sorted(fault.partition(":")[0] for fault in faults) == ["missing", "obsolete", "untranslated"]


def test_a_placeholder_that_is_lost_in_translation_is_a_fault() -> None:
    made = catalog(**{"%(count)d rows": "行"})
    assert [fault.partition(":")[0] for fault in translations.faults(made, made)] == ["placeholders differ"]


def test_updating_keeps_what_was_translated_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    po = tmp_path / "django.po"
    po.write_bytes(translations.PO_FILE.read_bytes())
    translations.update(po)
    assert translations.faults(translations.load(po), translations.extract()) == []
    once = po.read_bytes()
    translations.update(po)
    assert po.read_bytes() == once


def test_the_compiled_file_translates(tmp_path: Path) -> None:
    po = tmp_path / "django.po"
    po.write_bytes(translations.PO_FILE.read_bytes())
    with translations.compile_mo(po).open("rb") as stream:
        assert gettext.GNUTranslations(stream).gettext("Dead letters") == "死信"
