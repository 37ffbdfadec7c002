"""What is installed: accounting tools, sources, sandboxes, issue texts and rules (design section 8).

Plugins are modules with hooks of `dagboek_sdk.hooks`, found by entry points of the group `dagboek`; core's own rules
and issue texts come through the same hooks. All of it is collected once, at the start: a call costs no search.
"""

import difflib
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points, version
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, cast
from uuid import uuid4

import pluggy
import structlog
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk import hooks
from dagboek_sdk.accounting import About, AccountingPlugin, MappingContext
from dagboek_sdk.hooks import PROJECT, CatalogueEntry
from dagboek_sdk.sandbox import SandboxCommand
from dagboek_sdk.source import DocumentReader, DocumentSource, ReaderAbout, SourceAbout

from dagboek import rules
from dagboek.catalogue import UNEXPECTED, Catalogue
from dagboek.catalogue import general as general_issues
from dagboek.reasons import Refusal
from dagboek.sent_in import hooks as sent_in

CORE: Final = "dagboek"
_RELEASE: Final = f"{CORE} {version(CORE)}"
_log = structlog.get_logger(__name__)

Thing = TypeVar("Thing")
Rule = Callable[[Any, Component, MappingContext], Sequence[Issue] | None]


class UnknownPlugin(Refusal, LookupError):
    """No installed plugin has this name. The text says what was asked for, what there is, and how to install one."""


class PluginConflict(Exception):
    """Two plugins declare the same thing. The text names the thing and both origins."""


class PluginBroken(Exception):
    """A plugin that cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that is installed and cannot be used."""

    name: str
    origin: str
    reason: str


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin and what it brings, by name."""

    name: str
    origin: str
    """Distribution and version, such as `dagboek-octopus 0.1.0`."""
    tools: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sandboxes: tuple[str, ...] = ()
    issues: tuple[str, ...] = ()
    document_rules: int = 0
    party_rules: int = 0


@dataclass(frozen=True, slots=True)
class _Brought:
    """What the hooks of one plugin gave."""

    tools: Mapping[str, type[AccountingPlugin]]
    sources: Mapping[str, type[DocumentSource]]
    readers: Mapping[str, type[DocumentReader]]
    sandboxes: Mapping[str, SandboxCommand]
    issues: Mapping[str, CatalogueEntry]
    document_rules: Sequence[tuple[str, Rule]]
    party_rules: Sequence[tuple[str, Rule]]


@dataclass
class _Shelf(Generic[Thing]):
    """Things of one kind by name, each with where it came from."""

    word: str
    things: dict[str, Thing] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def refuse_known(self, names: Iterable[str], origin: str) -> None:
        for name in names:
            if name in self.things:
                raise PluginConflict(f"{self.word} {name!r} is declared by {self.origins[name]} and by {origin}")

    def add(self, things: Mapping[str, Thing], origin: str) -> None:
        self.things |= things
        self.origins |= dict.fromkeys(things, origin)

    def get(self, name: str, broken: Mapping[str, Broken]) -> Thing:
        if name in self.things:
            return self.things[name]
        if name in broken:
            one = broken[name]
            text = f"{self.word} {name!r} cannot be used: {one.origin} is broken ({one.reason})"
            raise UnknownPlugin(text, "plugin_broken", plugin=name)
        near = difflib.get_close_matches(name, self.things, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        installed = ", ".join(sorted(self.things)) or "none"
        raise UnknownPlugin(
            f"{self.word} {name!r} is not installed.{meant} Installed: {installed}. Another one must be installed into "
            "the same environment as Dagboek first, from its maker: the name of a package is not guessed here.",
            "plugin_unknown",
            plugin=name,
        )


class Plugins:
    """Everything installed. Made once a process, before its threads; nothing changes afterwards."""

    def __init__(self, *, entry_points: bool = True) -> None:
        """`entry_points=False`: core's own rules and issues alone; `register` adds modules, in tests.

        PluginConflict when two plugins declare the same name or issue code.
        """
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hooks)
        self._tools = _Shelf[type[AccountingPlugin]]("accounting tool")
        self._sources = _Shelf[type[DocumentSource]]("source")
        self._readers = _Shelf[type[DocumentReader]]("format of documents")
        self._sandboxes = _Shelf[SandboxCommand]("sandbox")
        self._issues = _Shelf[CatalogueEntry]("issue code")
        self._document_rules: tuple[tuple[str, Rule], ...] = ()
        self._party_rules: tuple[tuple[str, Rule], ...] = ()
        self._broken: dict[str, Broken] = {}
        self._installed: dict[str, Installed] = {}
        self.register(general_issues, "issues", CORE)
        self.register(sent_in, "sent_in", CORE)
        for module in rules.MODULES:
            self.register(module, module.__name__.removeprefix("dagboek."), CORE)
        if entry_points:
            self._load_entry_points()

    # look-ups

    def tool(self, name: str) -> type[AccountingPlugin]:
        """The accounting tool `name`; UnknownPlugin."""
        return self._tools.get(name, self._broken)

    def source(self, name: str) -> type[DocumentSource]:
        """The source `name`; UnknownPlugin."""
        return self._sources.get(name, self._broken)

    def sandbox(self, name: str) -> SandboxCommand:
        """The sandbox `name`; UnknownPlugin."""
        return self._sandboxes.get(name, self._broken)

    @property
    def tools(self) -> Mapping[str, type[AccountingPlugin]]:
        """All accounting tools by name."""
        return MappingProxyType(self._tools.things)

    def tool_title(self, name: str) -> str:
        """What an accounting tool is called; the name it is stored by where it is not installed any more."""
        tool = self.tools.get(name)
        return tool.about.title if tool else name

    @property
    def sources(self) -> Mapping[str, type[DocumentSource]]:
        """All sources by name."""
        return MappingProxyType(self._sources.things)

    @property
    def readers(self) -> Mapping[str, type[DocumentReader]]:
        """All formats that documents can be sent in, by name."""
        return MappingProxyType(self._readers.things)

    @property
    def sandboxes(self) -> Mapping[str, SandboxCommand]:
        """All sandboxes by name."""
        return MappingProxyType(self._sandboxes.things)

    @property
    def installed(self) -> Sequence[Installed]:
        """Plugins in use, core's own first."""
        return tuple(self._installed.values())

    @property
    def broken(self) -> Sequence[Broken]:
        """Plugins that are installed and cannot be used."""
        return tuple(self._broken.values())

    @property
    def catalogue(self) -> Catalogue:
        """Texts of all issues."""
        return Catalogue(self._issues.things, self._issues.origins)

    def releases(self, tool: str) -> str:
        """What decides about the documents of a tool: its own release, and those that bring rules, ours too."""
        found = [one for one in self._installed.values() if tool in one.tools or one.document_rules or one.party_rules]
        return ", ".join(sorted({_RELEASE if one.origin == CORE else one.origin for one in found}))

    # rules

    def validate_document(self, document: Document, component: Component, context: MappingContext) -> list[Issue]:
        """Why `document` is not booked, by all rules; none: it may be. A rule that fails is an issue too (D13).

        Information alone: it is not ready (not approved, before the start date). Otherwise it is to be skipped.
        """
        return _validated(self._document_rules, document, component, context)

    def validate_party(self, party: Party, component: Component, context: MappingContext) -> list[Issue]:
        """Why `party` does not go to the tool, as for documents."""
        return _validated(self._party_rules, party, component, context)

    # registration

    def register(self, module: Any, name: str | None = None, origin: str | None = None) -> None:
        """Adds a module (or object) with hooks. PluginBroken or PluginConflict, and then nothing is added."""
        name = name or str(getattr(module, "__name__", type(module).__name__))
        origin = origin or name
        if name in self._installed:
            raise PluginConflict(f"plugin {name!r} comes from {self._installed[name].origin} and from {origin}")
        try:
            self._manager.register(module, name)
            brought = self._brought(module, name)
            self._refuse_conflicts(brought, origin)
        except (PluginBroken, PluginConflict):
            self._manager.unregister(name=name)
            raise
        except Exception as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise PluginBroken(f"{name} ({origin}): {_reason(error)}") from error
        self._add(brought, name, origin)

    def _brought(self, module: Any, name: str) -> _Brought:
        found: dict[str, list[pluggy.HookImpl]] = {}
        for caller in self._manager.get_hookcallers(module) or ():
            for implementation in (one for one in caller.get_hookimpls() if one.plugin is module):
                if not caller.has_spec():
                    if implementation.optionalhook:
                        continue
                    raise PluginBroken(f"{name}: this version knows no hook {caller.name}; newer plugin?")
                if implementation.wrapper or implementation.hookwrapper:
                    raise PluginBroken(f"{name}: {caller.name} is a wrapper, which Dagboek does not take")
                found.setdefault(caller.name, []).append(implementation)
        return _Brought(
            tools=_named(name, found, "dagboek_accounting_plugins", lambda one: _about(one, AccountingPlugin, About)),
            sources=_named(name, found, "dagboek_sources", lambda one: _about(one, DocumentSource, SourceAbout)),
            readers=_named(name, found, "dagboek_readers", lambda one: _about(one, DocumentReader, ReaderAbout)),
            sandboxes=_named(name, found, "dagboek_sandboxes", lambda one: _attribute(one, SandboxCommand, "name")),
            issues=_named(name, found, "dagboek_issue_catalogue", lambda one: _attribute(one, CatalogueEntry, "code")),
            document_rules=[(name, one) for one in _rules(found.get("dagboek_validate_document", ()), "document")],
            party_rules=[(name, one) for one in _rules(found.get("dagboek_validate_party", ()), "party")],
        )

    def _refuse_conflicts(self, brought: _Brought, origin: str) -> None:
        self._tools.refuse_known(brought.tools, origin)
        self._sources.refuse_known(brought.sources, origin)
        self._readers.refuse_known(brought.readers, origin)
        self._sandboxes.refuse_known(brought.sandboxes, origin)
        self._issues.refuse_known(brought.issues, origin)

    def _add(self, brought: _Brought, name: str, origin: str) -> None:
        self._tools.add(brought.tools, origin)
        self._sources.add(brought.sources, origin)
        self._readers.add(brought.readers, origin)
        self._sandboxes.add(brought.sandboxes, origin)
        self._issues.add(brought.issues, origin)
        self._document_rules += tuple(brought.document_rules)
        self._party_rules += tuple(brought.party_rules)
        self._installed[name] = Installed(
            name=name,
            origin=origin,
            tools=tuple(brought.tools),
            sources=tuple(brought.sources),
            sandboxes=tuple(brought.sandboxes),
            issues=tuple(brought.issues),
            document_rules=len(brought.document_rules),
            party_rules=len(brought.party_rules),
        )

    def _load_entry_points(self) -> None:
        for point in sorted(entry_points(group=PROJECT), key=lambda one: (one.name, _origin(one))):
            try:
                self.register(point.load(), point.name, _origin(point))
            except PluginConflict:
                raise
            except (Exception, SystemExit) as error:
                reason = str(error) if isinstance(error, PluginBroken) else _reason(error)
                self._broken[point.name] = Broken(point.name, _origin(point), reason)
                _log.error("plugin cannot be used", plugin=point.name, origin=_origin(point), reason=reason)


def unexpected(where: str, error: BaseException) -> Issue:
    """An issue for a fault of a program; its reference leads to the log line, which shows no values of the item."""
    reference = uuid4().hex[:8]
    # The message of an error may quote names or numbers of a document: the log gets its type and its place alone.
    frames = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-12)
    ]
    _log.error("unexpected fault", where=where, reference=reference, error=type(error).__qualname__, frames=frames)
    return Issue(
        code=UNEXPECTED,
        severity=Severity.WARNING,
        facts={"where": where, "error": type(error).__name__, "reference": reference},
    )


def _validated(
    chosen: Sequence[tuple[str, Rule]], subject: Any, component: Component, context: MappingContext
) -> list[Issue]:
    issues: list[Issue] = []
    for name, rule in chosen:
        try:
            found = rule(subject, component, context)
            if found:
                issues += _only_issues(found)
        except Exception as error:
            issues.append(unexpected(name, error))
    return rules.waiting(issues) or issues


def _only_issues(found: Iterable[object]) -> list[Issue]:
    issues: list[Issue] = []
    for one in found:
        if not isinstance(one, Issue):
            raise TypeError(f"a rule gave a {type(one).__name__} where an Issue was expected")
        issues.append(one)
    return issues


def _rules(implementations: Iterable[pluggy.HookImpl], subject: str) -> list[Rule]:
    order = (subject, "component", "context")
    return [_positional(one.function, one.argnames, order) for one in implementations]


def _positional(function: Callable[..., Any], names: Sequence[str], order: Sequence[str]) -> Rule:
    """`function`, which may take fewer arguments or in another order, as one that takes all in `order`."""
    if tuple(names) == tuple(order):
        return function
    places = [order.index(name) for name in names]
    return lambda *given: function(*(given[place] for place in places))


def _named(
    plugin: str,
    found: Mapping[str, Sequence[pluggy.HookImpl]],
    hook: str,
    name_of: Callable[[Thing], str],
) -> dict[str, Thing]:
    things: dict[str, Thing] = {}
    for implementation in found.get(hook, ()):
        declared: Iterable[Thing] = cast("Iterable[Thing]", implementation.function())
        for thing in declared:
            name = name_of(thing)
            if name in things:
                raise PluginConflict(f"{hook} of {plugin} declares {name!r} twice")
            things[name] = thing
    return things


def _about(one: Any, base: type, about: type) -> str:
    if not (isinstance(one, type) and issubclass(one, base)):
        raise TypeError(f"{one!r} is no class derived from {base.__name__}")
    return _attribute(getattr(one, "about", None), about, "name")


def _attribute(one: Any, kind: type, attribute: str) -> str:
    if not isinstance(one, kind):
        raise TypeError(f"{type(one).__name__} where a {kind.__name__} was expected")
    name = str(getattr(one, attribute))
    if not name:
        raise ValueError(f"a {kind.__name__} without {attribute}")
    return name


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
