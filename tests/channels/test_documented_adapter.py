"""The adapter that the documentation writes works, and every key is documented."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from channels import registry
from channels.registry import ADAPTERS, AdapterEntry, adapter_class

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCKS = re.findall(r"```python\n(.*?)```", (DOCS / "adding_a_provider.md").read_text(), re.DOTALL)
MODULE, LINE, TESTS = BLOCKS
NAME = "channels.adapters.ntfy"


def module(name: str, source: str) -> types.ModuleType:
    made = types.ModuleType(name)
    sys.modules[name] = made
    try:
        exec(compile(source, f"docs/adding_a_provider.md ({name})", "exec"), made.__dict__)
    finally:
        del sys.modules[name]
    return made


ADAPTER = module(NAME, MODULE)
DOCUMENTED: Any = module("documented_tests", TESTS).TestNtfy


class TestDocumentedAdapter(DOCUMENTED):  # type: ignore[misc]
    @pytest.fixture(autouse=True)
    def _registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, NAME, ADAPTER)
        for name, entry in eval(f"{{{LINE}}}", {"AdapterEntry": AdapterEntry}).items():
            monkeypatch.setitem(ADAPTERS, name, entry)
        adapter_class.cache_clear()


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_every_key_of_every_adapter_is_documented(adapter: str) -> None:
    text = (DOCS / "providers.md").read_text()
    found = re.search(rf"^## {adapter}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/providers.md has no section {adapter}"
    common = (
        text.partition("## Every HTTP adapter")[2].partition("\n## ")[0] if "every HTTP adapter" in found[1] else ""
    )
    for key in registry.adapter_class(adapter).config_schema.model_fields:
        assert f"`{key}`" in found[1] + common, key
