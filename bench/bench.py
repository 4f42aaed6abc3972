"""What a measure gets to work with."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml
from django.core.management import call_command

from bench.figures import Series
from bench.rig import Rig
from channels.models import Provider
from notify.models import Application


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of ``make bench``: the rig, how large everything is, how often it is repeated, and whom to tell."""

    rig: Rig
    scale: float
    runs: int
    step: Callable[[str, int, int], None]

    def size(self, full: int, *, least: int = 1) -> int:
        """A size, shrunk by ``SCALE``."""
        return max(least, int(full * self.scale))

    def seconds(self, full: float, *, least: float = 0.5) -> float:
        """A duration, shrunk by ``SCALE``."""
        return max(least, full * self.scale)

    def alternate(self, unit: str, **sides: Callable[[], float]) -> dict[str, Series]:
        """Measures each side in turn, as often as there are runs: A B A B …, so that what changes meanwhile on the
        machine meets them all."""
        found = self.alternate_all({name: partial(_single, side) for name, side in sides.items()})
        return {name: Series(name=name, unit=unit, values=values["it"]) for name, values in found.items()}

    def alternate_all(
        self, sides: Mapping[str, Callable[[], Mapping[str, float]]], *, times: int = 1
    ) -> dict[str, dict[str, tuple[float, ...]]]:
        """The same for sides that find several figures at once; those of each side, by name. ``times`` as often as
        there are runs, where the difference is smaller than what two runs of the same differ by."""
        found: dict[str, list[Mapping[str, float]]] = {name: [] for name in sides}
        runs = self.runs * times
        total = runs * len(sides)
        for run in range(runs):
            for number, (name, side) in enumerate(sides.items()):
                self.step(name, run * len(sides) + number, total)
                found[name].append(side())
        self.step("done", total, total)
        return {name: {key: tuple(run[key] for run in runs) for key in runs[0]} for name, runs in found.items() if runs}

    # --- the product's configuration ----------------------------------------------------------------------------------

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Applies a configuration file, as an operator would."""
        path = self.rig.data_dir / "bench.yaml"
        path.write_text(yaml.safe_dump(dict(configuration), allow_unicode=True))
        call_command("apply_config", str(path), stdout=io.StringIO())

    def providers(self, *providers: Mapping[str, Any], channels: Sequence[Mapping[str, Any]] = ()) -> None:
        """From now on these are the providers, and there are no others."""
        Provider.objects.all().delete()
        self.configure({"providers": [dict(one) for one in providers], "channels": [dict(one) for one in channels]})

    def application(self, name: str, **limits: Any) -> Application:
        """An application of that name."""
        self.configure({"applications": [{"name": name, **limits}]})
        return Application.objects.get(name=name)

    def api_key(self, application: str) -> str:
        """A new key that may send and read."""
        output = io.StringIO()
        call_command("create_api_key", application, "--scopes", "send,read", stdout=output)
        return output.getvalue().strip()


def _single(side: Callable[[], float]) -> dict[str, float]:
    return {"it": side()}
