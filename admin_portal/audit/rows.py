"""Rows that people set one at a time (providers, users, …): every save and deletion of one is a change, whoever makes
it: a page of the admin, a command, a shell. Only ``QuerySet.update`` goes by here unseen; verbs that use it tell of it
themselves (``channels.signals.changed``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.utils import timezone

from admin_portal.audit import recording
from admin_portal.audit.differences import difference
from admin_portal.models import ApprovalRule
from channels import acting, registry
from channels.errors import ConfigurationError
from channels.models import Channel, Policy, Provider
from monitoring.scrubbing import SECRET_NAMES
from notify.models import Application

#: Where a row's state before the change waits for the change to be made.
_BEFORE: Final = "_audit_before"
_STAMPS: Final = frozenset({"id", "created_at", "updated_at", "last_login", "date_joined"})


@dataclass(frozen=True, slots=True)
class Watch:
    """How rows of a model are written down. ``silent``: fields that are no change when nothing else is."""

    kind: str
    name: str
    secret: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


WATCHED: Final[Mapping[type[Model], Watch]] = {
    Application: Watch("application", "name", frozenset({"signing_secret"}), frozenset({"signing_secret"})),
    ApprovalRule: Watch("approval_rule", "name"),
    Channel: Watch("channel", "name"),
    Policy: Watch("policy", "target"),
    Provider: Watch("provider", "name"),
    User: Watch("user", "username", frozenset({"password"}), frozenset({"last_login"})),
    Group: Watch("group", "name"),
}


def connect() -> None:
    """From now on, these rows are watched."""
    for model in WATCHED:
        pre_save.connect(_before_save, sender=model, dispatch_uid=f"audit.before_save.{model.__name__}")
        post_save.connect(_after_save, sender=model, dispatch_uid=f"audit.after_save.{model.__name__}")
        pre_delete.connect(_before_delete, sender=model, dispatch_uid=f"audit.before_delete.{model.__name__}")
        post_delete.connect(_after_delete, sender=model, dispatch_uid=f"audit.after_delete.{model.__name__}")
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_members_changed, sender=through, dispatch_uid=f"audit.members.{through.__name__}")


def state(row: Model) -> dict[str, Any]:
    """What ``row`` says, its configuration spread out."""
    found: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        if field.name in _STAMPS:
            continue
        value = field.value_from_object(row)
        if isinstance(value, Mapping):
            found |= {f"{field.name}.{key}": item for key, item in value.items()}
        else:
            found[field.name] = value
    return found


def _secrets(watch: Watch, row: Model, *states: Mapping[str, Any] | None) -> set[str]:
    """The names of fields whose values are never written down."""
    names = set(watch.secret)
    names |= {name for one in states if one for name in one if name.rpartition(".")[2].lower() in SECRET_NAMES}
    if isinstance(row, Provider):
        try:
            names |= {f"config.{key}" for key in registry.secret_keys(row.adapter)}
        except ConfigurationError:  # an adapter that nobody knows any more: nothing of it is shown
            names |= {name for one in states if one for name in one if name.startswith("config.")}
    return names


def _is_silent(watch: Watch, update_fields: Any) -> bool:
    return update_fields is not None and set(update_fields) <= watch.silent


def _target(watch: Watch, row: Model) -> str:
    name = str(getattr(row, watch.name))
    return name if watch.kind == "policy" and name.startswith("policy:") else f"{watch.kind}:{name}"


def _record(action: str, target: str, before: Any, after: Any) -> None:
    actor = acting.current()
    recording.record(
        actor=actor.name,
        origin=actor.origin,
        action=action,
        target=target,
        before=before,
        after=after,
        now=timezone.now(),
    )


def _before_save(sender: type[Model], instance: Model, update_fields: Any = None, **_kwargs: Any) -> None:
    watch = WATCHED[sender]
    if _is_silent(watch, update_fields):
        return
    # First the chain, then the row: in this order everywhere, so that two who change rows never wait for each other.
    recording.take_turn()
    known = sender._default_manager.filter(pk=instance.pk).first() if instance.pk is not None else None
    setattr(instance, _BEFORE, None if known is None else state(known))


def _after_save(
    sender: type[Model], instance: Model, created: bool = False, update_fields: Any = None, **_kwargs: Any
) -> None:
    watch = WATCHED[sender]
    if _is_silent(watch, update_fields):
        return
    before, after = instance.__dict__.pop(_BEFORE, None), state(instance)
    old, new = difference(before, after, secret=_secrets(watch, instance, before, after))
    if created or old or new:
        _record(f"{watch.kind}.{'created' if created else 'changed'}", _target(watch, instance), old, new)


def _before_delete(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    recording.take_turn()


def _after_delete(sender: type[Model], instance: Model, **_kwargs: Any) -> None:
    watch, before = WATCHED[sender], state(instance)
    old, _none = difference(before, None, secret=_secrets(watch, instance, before))
    _record(f"{watch.kind}.deleted", _target(watch, instance), old, None)


# --- who is in which group, who may do what ---------------------------------------------------------------------------


def _members_changed(
    sender: type[Model], instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_kwargs: Any
) -> None:
    if action == "pre_clear":
        pk_set = set(_related(sender, instance, reverse).values_list("pk", flat=True))
        instance.__dict__["_audit_cleared"] = pk_set
    elif action == "post_clear":
        _write_members(sender, instance, reverse, model, instance.__dict__.pop("_audit_cleared", set()), added=False)
    elif action in ("post_add", "post_remove") and pk_set:
        _write_members(sender, instance, reverse, model, pk_set, added=action == "post_add")


def _related(sender: type[Model], instance: Any, reverse: bool) -> Any:
    if sender is Group.permissions.through:
        return instance.group_set if reverse else instance.permissions
    if sender is User.groups.through:
        return instance.user_set if reverse else instance.groups
    return instance.user_set if reverse else instance.user_permissions


_SAID: Final[Mapping[str, Callable[[Any], str]]] = {
    "Permission": lambda one: f"{one.content_type.app_label}.{one.codename}",
    "Group": lambda one: str(one.name),
    "User": lambda one: str(one.username),
}


def _say(row: Any) -> str:
    return _SAID[type(row).__name__](row)


def _write_members(sender: type[Model], instance: Any, reverse: bool, model: Any, pks: Any, *, added: bool) -> None:
    """One entry for each user or group that now has more, or less."""
    found = list(model._default_manager.filter(pk__in=pks))
    owners, given = (found, [instance]) if reverse else ([instance], found)
    what = "permissions" if type(given[0] if given else None).__name__ == "Permission" else "groups"
    names = {what: sorted(_say(one) for one in given)}
    for owner in owners:
        kind = WATCHED[type(owner)].kind
        _record(
            f"{kind}.{what}_{'added' if added else 'removed'}",
            f"{kind}:{_say(owner)}",
            None if added else names,
            names if added else None,
        )
