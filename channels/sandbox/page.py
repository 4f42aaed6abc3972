"""The sandbox's one page for people: what arrived, newest first. Addresses are masked, everything is escaped."""

from __future__ import annotations

from typing import Final

from django.utils import timezone, translation
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from channels.masking import mask_address, mask_text
from channels.sandbox.behaviour import Behaviour
from channels.sandbox.store import Arrival, Store

_SHOWN: Final = 100
_TEXT_SHOWN: Final = 160
_STYLE: Final = SafeString(
    """
:root { color-scheme: light dark; --line: light-dark(#e5e7eb, #374151); --soft: light-dark(#6b7280, #9ca3af); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th, .soft { color: var(--soft); font-weight: 500; }
th, td { white-space: nowrap; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
"""
)


def render(store: Store, *, accept_language: str = "") -> str:
    """The page in the first language of ``accept_language`` that we speak."""
    with translation.override(_language(accept_language)):
        return format_html(
            '<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta http-equiv="refresh" content="5"><style>{}</style></head><body><h1>{}</h1>'
            '<p class="soft">{}</p><h2>{}</h2><div class="wide">{}</div><h2>{}</h2><div class="wide">{}</div>'
            "</body></html>",
            translation.get_language() or "en",
            _("Goutong provider sandbox"),
            _STYLE,
            _("Provider sandbox"),
            _("Messages that came here went no further. This page renews itself every five seconds."),
            _("Providers"),
            _providers(store),
            _("Latest messages"),
            _messages(store.messages(limit=_SHOWN)),
        )


def _language(accept_language: str) -> str:
    for code, _weight in parse_accept_lang_header(accept_language[:200]):
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return "en"


def _table(heads: tuple[str, ...], rows: SafeString) -> SafeString:
    if not rows:
        return format_html('<p class="soft">{}</p>', _("Nothing yet."))
    head = format_html_join("", "<th>{}</th>", ((text,) for text in heads))
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, rows)


def _providers(store: Store) -> SafeString:
    rows = format_html_join(
        "",
        '<tr><td>{}</td><td>{}</td><td class="text">{}</td></tr>',
        ((name, count, _said(behaviour)) for name, count, behaviour in store.counts()),
    )
    return _table((_("Name"), _("Messages taken"), _("Behaviour")), rows)


def _said(behaviour: Behaviour) -> str:
    changed = behaviour.model_dump(exclude_defaults=True)
    return ", ".join(f"{key}: {value}" for key, value in changed.items()) or _("well-behaved")


def _messages(arrivals: list[Arrival]) -> SafeString:
    rows = format_html_join(
        "",
        '<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class="text">{}</td></tr>',
        (
            (
                timezone.localtime(arrival.at).strftime("%H:%M:%S"),
                arrival.name,
                arrival.channel,
                mask_address(arrival.channel, arrival.to),
                mask_text(arrival.text[:_TEXT_SHOWN]),
            )
            for arrival in arrivals
        ),
    )
    return _table((_("Time"), _("Provider"), _("Channel"), _("To"), _("Text")), rows)
