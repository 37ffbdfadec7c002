"""What is installed is found once; what is broken, missing or declared twice is named and stops nothing else."""

import importlib.metadata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from dagboek import plugins as plugins_module
from dagboek.plugins import PluginBroken, PluginConflict, Plugins, UnknownPlugin, unexpected
from dagboek_schemas.documents import Address, Direction, Document, Kind, Party, Totals
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import About, AccountingPlugin, MappingContext
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText, hookimpl
from dagboek_sdk.sandbox import SandboxCommand
from dagboek_sdk.settings import ConnectionSettings
from dagboek_sdk.source import DocumentSource, SourceAbout
from pydantic import BaseModel
from structlog.testing import capture_logs


class Nothing(BaseModel):
    pass


class Abacus(AccountingPlugin):
    about: ClassVar[About] = About("abacus", "Abacus", frozenset({"BE"}), (Component.SALES_INVOICES,), Nothing)


class Tray(DocumentSource):
    about: ClassVar[SourceAbout] = SourceAbout("tray", "Tray", Nothing)


async def no_sandbox(**_: Any) -> Any:
    raise NotImplementedError


TEXT = CatalogueText("Bead missing", "A bead is missing.", "Find it.")
ENTRY = CatalogueEntry("A01", {"nl": TEXT, "fr": TEXT, "en": TEXT})
CONTEXT = MappingContext(ConnectionSettings(), {})
PARTY = Party(name="Bakkerij De Halve Maan", address=Address(country="BE"))
DOCUMENT = Document(
    kind=Kind.INVOICE,
    direction=Direction.SALES,
    number="2026-001",
    issue_date=date(2026, 5, 4),
    currency="EUR",
    seller=PARTY,
    buyer=PARTY,
    lines=(),
    totals=Totals(lines=Decimal(1), net=Decimal(1), vat=Decimal(0), gross=Decimal(1), payable=Decimal(1)),
)


class AbacusHooks:
    @hookimpl
    def dagboek_accounting_plugins(self) -> Sequence[type[AccountingPlugin]]:
        return [Abacus]

    @hookimpl
    def dagboek_sources(self) -> Sequence[type[DocumentSource]]:
        return (Tray,)

    @hookimpl
    def dagboek_sandboxes(self) -> Sequence[SandboxCommand]:
        return (SandboxCommand("abacus", no_sandbox),)

    @hookimpl
    def dagboek_issue_catalogue(self) -> Sequence[CatalogueEntry]:
        return (ENTRY,)


def only_core() -> Plugins:
    return Plugins(entry_points=False)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Entry points of this test: name → object, or an exception that loading it raises."""
    points: dict[str, Any] = {}

    def load(point: EntryPoint) -> Any:
        found = points[point.name]
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", load)
    monkeypatch.setattr(
        plugins_module,
        "entry_points",
        lambda group: EntryPoints(EntryPoint(name, f"{name}_package.hooks", group) for name in points),
    )
    return points


def test_what_a_plugin_brings_is_found_by_name() -> None:
    plugins = only_core()
    plugins.register(AbacusHooks(), "abacus", "dagboek-abacus 1.0")
    assert plugins.tool("abacus") is Abacus
    assert plugins.source("tray") is Tray
    assert plugins.sandbox("abacus").start is no_sandbox
    assert plugins.catalogue.entry("A01") is ENTRY
    assert plugins.catalogue.origin("A01") == "dagboek-abacus 1.0"
    found = next(one for one in plugins.installed if one.name == "abacus")
    assert (found.origin, found.tools, found.sources, found.issues) == (
        "dagboek-abacus 1.0",
        ("abacus",),
        ("tray",),
        ("A01",),
    )


def test_entry_points_are_loaded(installed: dict[str, Any]) -> None:
    installed["abacus"] = AbacusHooks()
    plugins = Plugins()
    assert plugins.tool("abacus") is Abacus
    assert not plugins.broken


def test_a_missing_plugin_says_what_there_is_and_how_to_install() -> None:
    plugins = only_core()
    plugins.register(AbacusHooks(), "abacus")
    with pytest.raises(UnknownPlugin) as caught:
        plugins.tool("abakus")
    assert str(caught.value).startswith("accounting tool 'abakus' is not installed. Did you mean 'abacus'?")
    assert "Installed: abacus." in str(caught.value)
    assert "pip install" not in str(caught.value)  # whoever owns such a name on a public registry could be anyone
    with pytest.raises(UnknownPlugin, match="Installed: sent-in"):
        only_core().source("tray")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ModuleNotFoundError("No module named 'beads'"), "ModuleNotFoundError: No module named 'beads'"),
        (SyntaxError("bad"), "SyntaxError: bad"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_one_that_cannot_be_imported_is_listed_and_stops_no_other(
    installed: dict[str, Any], fault: BaseException, reason: str
) -> None:
    installed |= {"aaa": fault, "abacus": AbacusHooks()}
    plugins = Plugins()
    assert [(one.name, one.reason) for one in plugins.broken] == [("aaa", reason)]
    assert plugins.tool("abacus") is Abacus
    with pytest.raises(UnknownPlugin, match=r"'aaa' cannot be used.*broken"):
        plugins.tool("aaa")


class Raises:
    @hookimpl
    def dagboek_accounting_plugins(self) -> Sequence[type[AccountingPlugin]]:
        raise KeyError("settings")


class NewerHook:
    @hookimpl
    def dagboek_weigh_document(self) -> None: ...


class OptionalHook(AbacusHooks):
    @hookimpl(optionalhook=True)
    def dagboek_weigh_document(self) -> None: ...


class OtherArgument:
    @hookimpl
    def dagboek_validate_party(self, customer: Party) -> None: ...


class Instance:
    @hookimpl
    def dagboek_accounting_plugins(self) -> Sequence[Any]:
        return [SimpleNamespace(about=Abacus.about)]


class NoAbout:
    @hookimpl
    def dagboek_sources(self) -> Sequence[Any]:
        return [type("Bare", (DocumentSource,), {})]


class GivesNone:
    @hookimpl
    def dagboek_sandboxes(self) -> Any:
        return None


class Wrapper:
    @hookimpl(wrapper=True)
    def dagboek_validate_party(self) -> Any:
        return (yield)


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        (Raises, "KeyError"),
        (NewerHook, "knows no hook dagboek_weigh_document"),
        (OtherArgument, "customer"),
        (Instance, "no class derived from AccountingPlugin"),
        (NoAbout, "NoneType where a SourceAbout was expected"),
        (GivesNone, "TypeError"),
        (Wrapper, "wrapper"),
    ],
)
def test_a_plugin_with_wrong_hooks_is_broken_and_leaves_nothing_behind(
    installed: dict[str, Any], hooks: type, reason: str
) -> None:
    installed |= {"wrong": hooks(), "zz": AbacusHooks()}
    plugins = Plugins()
    assert reason in plugins.broken[0].reason
    assert list(plugins.tools) == ["abacus"]
    assert "wrong" not in [one.name for one in plugins.installed]
    with pytest.raises(PluginBroken, match="wrong"):
        plugins.register(hooks(), "wrong")


def test_a_hook_that_is_marked_optional_may_be_unknown() -> None:
    plugins = only_core()
    plugins.register(OptionalHook(), "abacus")
    assert plugins.tool("abacus") is Abacus


def test_the_same_name_twice_names_both_origins() -> None:
    plugins = only_core()
    plugins.register(AbacusHooks(), "abacus", "dagboek-abacus 1.0")

    class Copy:
        @hookimpl
        def dagboek_accounting_plugins(self) -> Sequence[type[AccountingPlugin]]:
            return [Abacus]

    with pytest.raises(PluginConflict, match=r"'abacus' is declared by dagboek-abacus 1\.0 and by copycat 2"):
        plugins.register(Copy(), "copy", "copycat 2")
    assert "copy" not in [one.name for one in plugins.installed]


@pytest.mark.parametrize("code", ["B04", "A01"])
def test_an_issue_code_twice_names_both_origins(code: str) -> None:
    plugins = only_core()
    plugins.register(AbacusHooks(), "abacus", "dagboek-abacus 1.0")

    class Copy:
        @hookimpl
        def dagboek_issue_catalogue(self) -> Sequence[CatalogueEntry]:
            return (CatalogueEntry(code, ENTRY.texts),)

    with pytest.raises(PluginConflict, match=rf"issue code '{code}' is declared by dagboek.* and by copycat 2"):
        plugins.register(Copy(), "copy", "copycat 2")


def test_conflicting_entry_points_are_refused_at_the_start(installed: dict[str, Any]) -> None:
    installed |= {"abacus": AbacusHooks(), "other": AbacusHooks()}
    with pytest.raises(PluginConflict, match="'abacus' is declared by"):
        Plugins()


def rule(check: Any) -> Any:
    return SimpleNamespace(__name__="tester", dagboek_validate_document=hookimpl(check))


def test_a_rule_of_a_plugin_takes_part() -> None:
    def dagboek_validate_document(context: MappingContext, document: Document) -> Sequence[Issue]:
        return (Issue(code="A01", facts={"number": document.number, "country": context.settings.country}),)

    plugins = only_core()
    plugins.register(rule(dagboek_validate_document))
    found = plugins.validate_document(DOCUMENT, Component.SALES_INVOICES, CONTEXT)
    assert Issue(code="A01", facts={"number": "2026-001", "country": "BE"}) in found


def test_what_is_not_ready_yet_wins_over_what_is_wrong() -> None:
    def dagboek_validate_document(document: Document) -> Sequence[Issue]:
        return (Issue(code="A01", severity=Severity.INFORMATION), Issue(code="A02", severity=Severity.ERROR))

    plugins = only_core()
    plugins.register(rule(dagboek_validate_document))
    found = plugins.validate_document(DOCUMENT, Component.SALES_INVOICES, CONTEXT)
    assert [issue.code for issue in found] == ["A01"]


@pytest.mark.parametrize("wrong", ["raise", "string", "objects"])
def test_a_rule_that_fails_becomes_an_issue_and_the_others_are_heard(wrong: str) -> None:
    def dagboek_validate_document(document: Document) -> Any:
        if wrong == "raise":
            raise ValueError(f"secret of {document.seller.name}")
        return "B04" if wrong == "string" else [object()]

    class Second:
        @hookimpl
        def dagboek_validate_document(self) -> Sequence[Issue]:
            return (Issue(code="A01"),)

    plugins = only_core()
    plugins.register(rule(dagboek_validate_document))
    plugins.register(Second(), "second")
    with capture_logs() as logs:
        found = plugins.validate_document(DOCUMENT, Component.SALES_INVOICES, CONTEXT)
    fault = next(issue for issue in found if issue.code == "D13")
    assert fault.severity is Severity.WARNING
    assert fault.facts["where"] == "tester"
    assert Issue(code="A01") in found
    assert logs[0]["reference"] == fault.facts["reference"]
    assert "Halve Maan" not in str(logs)
    assert fault.facts["reference"] in plugins.catalogue.text(fault, "nl").remedy


def test_an_unexpected_fault_says_where_it_happened_but_shows_no_value() -> None:
    with capture_logs() as logs:
        try:
            int("Jan Peeters")
        except ValueError as error:
            issue = unexpected("octopus.map_document", error)
    assert issue.facts["error"] == "ValueError"
    assert "test_plugins.py" in logs[0]["frames"][-1]
    assert "Peeters" not in str(logs)
