"""Who can carry a channel's messages, as of now: frozen snapshots of the configuration, read at most once a second.

When the database does not answer, the last snapshot stands: sending goes on with what was known.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from channels import playing, registry, stages
from channels.degradation import pin, pins, standings
from channels.degradation.pin import PinSpec
from channels.degradation.standing import channel_target, provider_target
from channels.degradation.standings import Standings
from channels.degradation.thresholds import Thresholds
from channels.encryption import DecryptionFailed
from channels.models import Channel, Policy, Provider
from channels.models.channel import OutcomeUnknownPolicy
from channels.names import PinAction, is_staged, off_stage
from channels.specs import ChannelSpec, ProviderSpec
from channels.stages import StageSpec

logger = logging.getLogger(__name__)


class _Cache:
    #: Whoever has it reads the database. Nobody waits for it.
    refreshing = Lock()
    channels: Mapping[str, ChannelSpec] = MappingProxyType({})
    read_at = float("-inf")
    forgotten = 0
    pins: tuple[PinSpec, ...] = ()
    #: The channels as they are under the pins in force, as far as anybody asked, each with what it was made from.
    pinned: Mapping[str, tuple[ChannelSpec, ChannelSpec]] = MappingProxyType({})
    configs: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType({})
    standings = Standings()
    stage: StageSpec | None = None
    stage_read_at = float("-inf")
    #: The channels on the stage, as far as anybody asked, each with what it was made from.
    played: Mapping[str, tuple[tuple[ChannelSpec, StageSpec, datetime], ChannelSpec]] = MappingProxyType({})


def forget() -> None:
    """Makes the next look-up read the database."""
    _Cache.forgotten += 1
    _Cache.read_at = _Cache.stage_read_at = float("-inf")


def channel(name: str) -> ChannelSpec:
    """The channel ``name`` as it is configured; with no row, the defaults. It is looked up anew ``CONFIG_MAX_AGE_S``
    after the last look has ended, not begun: while PostgreSQL is slow, a worker would do nothing else. While one thread
    asks the database, or waits for it in vain, the others go by the last snapshot."""
    if time.monotonic() - _Cache.read_at >= settings.CHANNELS["CONFIG_MAX_AGE_S"]:
        mine = _Cache.refreshing.acquire(blocking=False)
        try:
            if mine or not _Cache.channels:
                _refresh()
        finally:
            if mine:
                _Cache.refreshing.release()
    found = _Cache.channels.get(name) or _without_row(name)
    return _under_pins(found) if _Cache.pins else found


def stage() -> StageSpec | None:
    """The stage of a drill that is open, as it was known not more than ``CONFIG_MAX_AGE_S`` ago. Asked for messages of
    test keys alone: to others it costs nothing."""
    if time.monotonic() - _Cache.stage_read_at >= settings.CHANNELS["CONFIG_MAX_AGE_S"]:
        _Cache.stage_read_at = time.monotonic()  # others go by the last one meanwhile
        try:
            _Cache.stage = stages.known(now=datetime.now(UTC))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("stages can't be read, the last known stands: %s", type(error).__name__)
    known = _Cache.stage
    return known if known is not None and known.is_open(datetime.now(UTC)) else None


def _without_row(name: str) -> ChannelSpec:
    """A channel of which nothing is stored: one on the stage, or one of which nothing is configured."""
    open_stage = stage() if is_staged(name) else None
    real = _Cache.channels.get(off_stage(name))
    if open_stage is None or real is None or real.name not in open_stage.channels:
        return ChannelSpec(name=name)
    now = datetime.now(UTC)
    made_from = (real, open_stage, open_stage.since(now))
    known = _Cache.played.get(name)
    if known is None or known[0][0] is not real or known[0] != made_from:
        known = (made_from, playing.play(real, stage=open_stage, stored=_Cache.standings, now=now))
        _Cache.played = MappingProxyType({**_Cache.played, name: known})
    return known[1]


def _under_pins(spec: ChannelSpec) -> ChannelSpec:
    """``spec`` as people have ordered it to be at this moment; the same object until that changes."""
    orders = pin.on_channel(pin.in_force(_Cache.pins, now=datetime.now(UTC)), spec.name)
    if not orders:
        return spec
    known = _Cache.pinned.get(spec.name)
    if known is None or known[0] is not spec or known[1].pins != orders:
        known = (spec, _pinned(spec, orders))
        _Cache.pinned = MappingProxyType({**_Cache.pinned, spec.name: known})
    return known[1]


def _pinned(spec: ChannelSpec, orders: tuple[PinSpec, ...]) -> ChannelSpec:
    out, setting, whole = pin.removed(orders), pin.reweighting(orders), pin.of_channel(orders)
    total = sum(one.weight for one in spec.providers)
    held = sum(one.weight for one in spec.providers if one.name in out and out[one.name].action is PinAction.HOLD)
    providers = [one for one in spec.providers if one.name not in out]
    if setting is not None:
        providers = [replace(one, weight=setting.weights.get(one.name, 0)) for one in providers]
    return replace(
        spec,
        providers=tuple(providers),
        fallback=(whole.fallback if whole is not None else ()) or spec.fallback,
        standing=spec.standing if whole is None else pin.channel_standing(whole),
        standings={} if setting is not None else spec.standings,
        pins=orders,
        held_share=held / total if total else float(bool(held)),
    )


def _refresh() -> None:
    forgotten = _Cache.forgotten
    try:
        _Cache.pins = pins.known(now=datetime.now(UTC))
        _Cache.channels = _read()
    except (DatabaseError, InterfaceError) as error:
        if not _Cache.channels:
            raise
        logger.warning("provider configuration can't be read, the last known stands: %s", type(error).__name__)
    if forgotten == _Cache.forgotten:  # else what was read may be what was to be forgotten
        _Cache.read_at = time.monotonic()


def _read() -> Mapping[str, ChannelSpec]:
    providers: dict[str, list[ProviderSpec]] = {}
    # Not through the model: decrypting costs more than the query, and hardly ever anything has changed.
    rows = (
        Provider.objects.filter(enabled=True)
        .order_by("name")
        .values_list("name", "channel", "adapter", "weight", "rate_limit", "max_concurrency", "timeout_s", "updated_at")
    )
    for name, channel_name, adapter, weight, rate_limit, max_concurrency, timeout_s, updated_at in rows:
        fingerprint = f"{updated_at.isoformat()}/{adapter}/{channel_name}"
        try:
            config = _config(name, fingerprint)
        except DecryptionFailed:
            logger.error("provider %s is left out: its configuration can't be decrypted", name)  # noqa: TRY400
            continue
        spec = ProviderSpec(
            name=name,
            channel=channel_name,
            adapter=adapter,
            weight=weight,
            rate_limit=rate_limit,
            max_concurrency=min(max_concurrency, registry.most_places(adapter)),
            timeout_s=timeout_s,
            config=config,
            fingerprint=fingerprint,
            version=updated_at,
        )
        providers.setdefault(channel_name, []).append(spec)
    rows_by_name = {row.name: row for row in Channel.objects.all()}
    stored = _Cache.standings = standings.read_all()
    rules = dict(Policy.objects.values_list("target", "rules"))
    return MappingProxyType(
        {
            name: _channel_spec(name, rows_by_name.get(name), tuple(providers.get(name, ())), stored, rules)
            for name in {*providers, *rows_by_name}
        }
    )


def _config(name: str, fingerprint: str) -> Mapping[str, Any]:
    known = _Cache.configs.get(name)
    if known is None or known[0] != fingerprint:
        config: Mapping[str, Any] = Provider.objects.get(name=name).config or {}
        known = (fingerprint, config)
        _Cache.configs = MappingProxyType({**_Cache.configs, name: known})
    return known[1]


def _channel_spec(
    name: str,
    row: Channel | None,
    providers: tuple[ProviderSpec, ...],
    stored: Standings,
    rules: Mapping[str, Mapping[str, Any]],
) -> ChannelSpec:
    of_channel = rules.get(channel_target(name), {})
    spec = ChannelSpec(
        name=name,
        providers=providers,
        standing=stored.channels.get(name),
        standings={one.name: stored.providers[one.name] for one in providers if one.name in stored.providers},
        rules={one.name: Thresholds.parse(rules.get(provider_target(one.name), of_channel)) for one in providers},
    )
    if row is None:
        return spec
    return replace(
        spec,
        hold_unknown=row.outcome_unknown != OutcomeUnknownPolicy.RESEND,
        await_report=row.outcome_unknown == OutcomeUnknownPolicy.REPORT,
        step_deadline_s=row.step_deadline_s,
        fallback=tuple(row.fallback),
    )
