"""Messages in the source against ``locale/zh_Hans/LC_MESSAGES/django.po``, with Babel: GNU gettext is not needed.

``python -m config.translations check`` fails on what is missing, fuzzy, obsolete or malformed; ``update`` brings the
file up to date with the source (new messages come untranslated); ``compile`` writes the ``.mo`` that Django reads.

django-unfold ships no Chinese, so its messages that Django itself does not translate are ours to translate too.
"""

from __future__ import annotations

import argparse
import ast
import gettext
import io
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

BASE_DIR: Final = Path(__file__).resolve().parent.parent
LOCALE: Final = "zh_Hans"
PO_FILE: Final = BASE_DIR / "locale" / LOCALE / "LC_MESSAGES" / "django.po"
ROOMS: Final = ("admin_portal", "channels", "config", "monitoring", "notify")
ADAPTERS: Final = BASE_DIR / "channels" / "adapters"
#: Parts of django-unfold whose pages we serve.
BORROWED: Final = ("*.py", "mixins", "templates", "templatetags", "contrib/filters", "contrib/forms", "contrib/inlines")
KEYWORDS: Final[dict[str, Any]] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_PLACEHOLDER: Final = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}")
HEADER: Final = "# Goutong in Simplified Chinese. Brought up to date by `python -m config.translations update`."

Key = tuple[str | None, str | tuple[str, ...]]


def python_messages(source: str) -> Iterator[tuple[int, Key]]:
    """Line and key of each message that Python ``source`` marks for translation."""
    stream = io.BytesIO(source.encode())
    for line, function, found, _comments in extract_python(stream, KEYWORDS, [], {"encoding": "utf-8"}):
        spec = KEYWORDS[str(function)]
        parts: list[Any] = list(found) if isinstance(found, tuple) else [found]
        context = parts.pop(0) if spec and isinstance(spec[0], tuple) else None
        wanted = sum(isinstance(position, int) for position in spec) if spec else 1
        parts = parts[:wanted]
        if all(isinstance(part, str) and part for part in parts):
            yield line, (context, parts[0] if wanted == 1 else tuple(parts))


def description_messages(source: str) -> Iterator[tuple[int, Key]]:
    """Line and key of each ``Field(description=…)``: what adapters say of their configuration, the admin shows."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field":
            for keyword in node.keywords:
                value = keyword.value
                if keyword.arg == "description" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield node.lineno, (None, value.value)


def template_messages(source: str) -> Iterator[tuple[int, Key]]:
    """Line and key of each message that a Django template marks for translation."""
    # What templatize makes is for xgettext, which does not mind indentation; Python's tokenizer does.
    lines = (line.lstrip() for line in templatize(source).splitlines())
    yield from python_messages("\n".join(lines) + "\n")


def messages_in(path: Path) -> Iterator[tuple[int, Key]]:
    """Line and key of each message in one file."""
    source = path.read_text(encoding="utf-8")
    yield from (python_messages if path.suffix == ".py" else template_messages)(source)
    if path.suffix == ".py" and path.is_relative_to(ADAPTERS):
        yield from description_messages(source)


def own_files() -> list[Path]:
    """Python files and templates of our rooms, in a stable order."""
    files = [
        path
        for room in ROOMS
        for pattern in ("**/*.py", "templates/**/*.html", "templates/**/*.txt")
        for path in (BASE_DIR / room).glob(pattern)
        if "migrations" not in path.parts
    ]
    return sorted(files)


def borrowed_files() -> list[Path]:
    """The files of django-unfold that we serve."""
    spec = find_spec("unfold")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent
    files: list[Path] = []
    for entry in BORROWED:
        if entry == "*.py":
            files.extend(root.glob(entry))
        else:
            files.extend(path for suffix in ("py", "html") for path in (root / entry).glob(f"**/*.{suffix}"))
    return sorted(files)


def _django_catalogs() -> list[gettext.GNUTranslations]:
    spec = find_spec("django")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent
    places = ("conf", "contrib/admin", "contrib/auth", "contrib/contenttypes", "contrib/postgres", "contrib/sessions")
    catalogs = []
    for place in places:
        file = root / place / "locale" / LOCALE / "LC_MESSAGES" / "django.mo"
        if file.exists():
            with file.open("rb") as stream:
                catalogs.append(gettext.GNUTranslations(stream))
    return catalogs


def _translated_by_django(key: Key, catalogs: Iterable[gettext.GNUTranslations]) -> bool:
    context, identifier = key
    single = identifier if isinstance(identifier, str) else identifier[0]
    for catalog in catalogs:
        if isinstance(identifier, tuple):
            found = catalog.ngettext(identifier[0], identifier[1], 2) != identifier[1]
        elif context:
            found = catalog.pgettext(context, single) != single
        else:
            found = catalog.gettext(single) != single
        if found:
            return True
    return False


def extract() -> Catalog:
    """Every message the product can show, ours and the borrowed ones, with where it comes from."""
    template = Catalog(locale=LOCALE, charset="utf-8", fuzzy=False)
    for path in own_files():
        for _line, (context, identifier) in messages_in(path):
            template.add(identifier, context=context, locations=[(path.relative_to(BASE_DIR).as_posix(), 0)])
    catalogs = _django_catalogs()
    for path in borrowed_files():
        for _line, key in messages_in(path):
            known = template.get(key[1], key[0]) is not None
            if not known and not _translated_by_django(key, catalogs):
                template.add(key[1], context=key[0], locations=[("django-unfold", 0)])
    return template


def load(path: Path = PO_FILE) -> Catalog:
    """The translations as they are; an empty catalogue when there is no file."""
    if not path.exists():
        return Catalog(locale=LOCALE, charset="utf-8", fuzzy=False)
    with path.open("rb") as stream:
        return read_po(stream, locale=LOCALE, charset="utf-8")


def _key(message: Message) -> Key:
    return message.context, message.id if isinstance(message.id, str) else tuple(message.id)


def _is_translated(message: Message) -> bool:
    if message.string is None or isinstance(message.string, str):
        return bool(message.string)
    return all(message.string)


def _placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text))


def _keeps_placeholders(message: Message) -> bool:
    """Whether each translation names what the original does; a singular may leave its number out."""
    source = message.id if isinstance(message.id, str) else message.id[-1]
    strings = [message.string] if isinstance(message.string, str) else message.string or ()
    return all(_placeholders(string) == _placeholders(source) for string in strings)


def faults(catalog: Catalog, template: Catalog) -> list[str]:
    """What is wrong with ``catalog`` when ``template`` is what the source says: a line for each fault."""
    wanted = {_key(message): message for message in template if message.id}
    present = {_key(message): message for message in catalog if message.id}
    missing = [(key, message) for key, message in wanted.items() if key not in present]
    found = [f"missing: {key[1]!r} ({message.locations[0][0]})" for key, message in missing]
    for key, message in present.items():
        if key not in wanted:
            found.append(f"obsolete: {key[1]!r}")
        elif not _is_translated(message):
            found.append(f"untranslated: {key[1]!r}")
        elif message.fuzzy:
            found.append(f"fuzzy: {key[1]!r}")
        elif not _keeps_placeholders(message):
            found.append(f"placeholders differ: {key[1]!r}")
    for message, errors in catalog.check():
        found.extend(f"malformed: {message.id!r}: {error}" for error in errors)
    return found


def update(path: Path = PO_FILE) -> None:
    """Writes ``path`` anew: the translations it had, the messages the source has."""
    catalog = load(path)
    created_at = catalog.creation_date
    catalog.update(extract(), no_fuzzy_matching=True)
    catalog.creation_date = catalog.revision_date = created_at  # or the file would change with every run
    catalog.header_comment = HEADER
    catalog.project, catalog.version = "Goutong", "1"
    catalog.last_translator = catalog.language_team = "Goutong"
    catalog.msgid_bugs_address = ""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    write_po(out, catalog, width=100, sort_output=True, ignore_obsolete=True, include_lineno=False, omit_header=False)
    path.write_bytes(out.getvalue())


def compile_mo(path: Path = PO_FILE) -> Path:
    """Writes the ``.mo`` beside ``path``, whole or not at all, and returns its path."""
    target = path.with_suffix(".mo")
    draft = target.with_suffix(".mo.tmp")
    with draft.open("wb") as stream:
        write_mo(stream, load(path))
    draft.replace(target)
    return target


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m config.translations", description=__doc__)
    parser.add_argument("action", choices=("check", "update", "compile"))
    action = parser.parse_args(arguments).action
    if action == "update":
        update()
    elif action == "compile":
        compile_mo()
    found = faults(load(), extract()) if action == "check" else []
    for fault in found:
        sys.stderr.write(f"{PO_FILE.relative_to(BASE_DIR)}: {fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
