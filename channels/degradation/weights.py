"""What each provider gets of the traffic: from standings and configured weights to effective weights."""

from __future__ import annotations

from collections.abc import Mapping

from channels.degradation.standing import ProviderStanding


def effective_weights(
    *, standings: Mapping[str, ProviderStanding], configured: Mapping[str, float]
) -> dict[str, float]:
    """A weight for each of ``configured``, by which routing draws.

    They sum to what the configured ones do: what one provider loses, the others gain in proportion. Providers of
    weight zero are a last resort: they get all of it, in equal parts, when no other carries anything. When none
    carries anything at all (every one open or disabled) all are zero: nothing but probes goes out, and the channel's
    state says what becomes of the messages. A provider without a standing is taken as healthy.
    """
    shares = {name: _share(standings.get(name)) for name in configured}
    total = sum(configured.values())
    wanted = {name: weight * shares[name] for name, weight in configured.items()}
    if not any(wanted.values()):
        wanted = {name: float(weight == 0 and shares[name] > 0) for name, weight in configured.items()}
        total = total or sum(wanted.values())
    gained = sum(wanted.values())
    if not gained:
        return dict.fromkeys(configured, 0.0)
    return {name: weight * total / gained for name, weight in wanted.items()}


def _share(standing: ProviderStanding | None) -> float:
    if standing is None:
        return 1.0
    return standing.share if standing.carries else 0.0
