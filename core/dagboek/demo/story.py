"""The demo with the sample documents: first sync, the one that was skipped, the fix, the second sync, the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk.settings import ConnectionSettings, LedgerRule
from dagboek_sdk.source import EntityRef

from dagboek.cli.wording import Wording
from dagboek.demo.company import Company, DemoTrouble, connect, proposed, samples_folder, save
from dagboek.demo.later import Taken, a_night_passes
from dagboek.demo.proof import Proof, proofs
from dagboek.demo.runs import everything, sync_all
from dagboek.demo.stage import Stage
from dagboek.demo.telling import Teller
from dagboek.history import Detail, RunDetails

COMPANIES: Final = (
    ("Noord", "north", EntityRef("Noordzee Koffie BV", "BE0999100196"), "octopus"),
    ("Noord", "north", EntityRef("Noordzee Catering BV", "BE0999100295"), "exact"),
    ("Noord", "north", EntityRef("Noordzee Verhuur BV", "BE0999100394"), "yuki"),
    ("Zuid", "south", EntityRef("Zuiderlicht Drukkerij BV", "BE0999400106"), "octopus"),
)
"""Tenant, folder of samples, entity, tool: one tenant has its companies on different tools."""
TOOLS: Final = tuple(dict.fromkeys(tool for *_, tool in COMPANIES))
YEARS: Final = (2025, 2027)
RATE: Final = Decimal(12)
"""The VAT rate whose ledger account is left out at first."""
SECONDS: Final = 90.0
FALLBACK_ACCOUNT: Final = "700012"


@dataclass(frozen=True, slots=True)
class Story:
    """What happened."""

    first: tuple[RunDetails, ...]
    second: tuple[RunDetails, ...]
    skipped: tuple[Detail, ...]
    booked_later: tuple[Detail, ...]
    taken: tuple[Taken, ...]
    """What a tool took at once and booked by itself afterwards."""
    proofs: tuple[Proof, ...]

    @property
    def faults(self) -> list[str]:
        """What is not as it must be; empty when all is well."""
        found = [fault for proof in self.proofs for fault in proof.faults]
        codes = [[issue.code for issue in one.issues] for one in self.skipped]
        if codes != [["B04"]]:
            found.append(f"exactly one document should have been skipped for want of an account (B04), not {codes}")
        if [one.booking_number is not None for one in self.booked_later] != [True]:
            found.append("after the fix exactly one document should have been booked")
        found += [f"{one.number} was taken and is not booked" for one in self.taken if one.state != "booked"]
        return found


async def play(stage: Stage, teller: Teller, wording: Wording) -> Story:
    """Plays it. DemoTrouble when something does not end."""
    companies = await _set_up(stage, teller)
    settings = await asyncio.gather(*(proposed(stage, one) for one in companies))
    for company, chosen in zip(companies, settings, strict=True):
        await save(stage, company, without_rate(chosen, RATE))
    teller.step(f"Settings proposed and stored; the ledger account for {RATE} % was left out on purpose.")

    teller.chapter("First synchronisation")
    first = await _sync(stage, companies, teller)
    skipped = _of_state(first, ItemState.SKIPPED)
    teller.chapter("What did not go through, why, and what to do")
    teller.details(skipped, wording)

    for company, chosen, run in zip(companies, settings, first, strict=True):
        if _of_state([run], ItemState.SKIPPED):
            rules = chosen.sales.ledger_accounts
            account = next((rule.account for rule in rules if rule.rate == RATE), FALLBACK_ACCOUNT)
            teller.chapter(f"The fix: ledger account {account} for {RATE} %, in the settings of {company.entity.name}")
            await save(stage, company, _with_rate(without_rate(chosen, RATE), RATE, account))

    second = await _sync(stage, companies, teller)
    booked = _of_state(second, ItemState.SYNCED)
    for one in booked:
        teller.step(f"{one.title} is booked now, as number {one.booking_number}.")

    stage.begin_console()  # the night is spent in waiting
    later = await a_night_passes(stage, companies, teller, SECONDS)
    found = await proofs(stage, companies)
    teller.chapter("The ledgers of the accounting tools themselves")
    teller.balances([(one.company, one.balance, len(one.entries), len(one.asked)) for one in found])
    return Story(tuple(first), tuple(second), tuple(skipped), tuple(booked), tuple(later), tuple(found))


async def _set_up(stage: Stage, teller: Teller) -> list[Company]:
    samples = samples_folder(stage)
    made: list[Company] = []
    for tenant, folder, entity, tool in COMPANIES:
        dossier = await stage.books[tool].add_dossier(entity.name, YEARS, entity.vat_number)
        made.append(await connect(stage, tenant, entity, samples / folder, dossier, tool=tool))
    for tool in TOOLS:
        names = ", ".join(f"{one.entity.name} ({one.tenant})" for one in made if one.tool == tool)
        teller.step(f"Connected to the sandbox of {stage.plugins.tool(tool).about.title}: {names}.")
    return made


async def _sync(stage: Stage, companies: Sequence[Company], teller: Teller) -> list[RunDetails]:
    with teller.live() as show:
        runs = await sync_all(stage, companies, show, SECONDS)
    found = await everything(stage, companies, runs)
    for one in found:
        if one.park_issue is not None and one.summary.counts.not_tried:
            raise DemoTrouble(f"The run of {one.summary.entity} was stopped: {one.park_issue.code}.")
    teller.runs(found)
    return found


def _of_state(runs: Sequence[RunDetails], state: ItemState) -> list[Detail]:
    documents = [item for one in runs for item in one.details if _is_document(item)]
    return [item for item in documents if item.state is state]


def _is_document(item: Detail) -> bool:
    return item.kind is ItemKind.DOCUMENT


def without_rate(settings: ConnectionSettings, rate: Decimal) -> ConnectionSettings:
    """`settings` without the rules that give sales at `rate` a ledger account; other rates keep what they had."""
    sales = settings.sales
    default = next((rule.account for rule in sales.ledger_accounts if rule.rate is None and not rule.category), None)
    kept = [rule for rule in sales.ledger_accounts if rule.rate != rate and (rule.rate is not None or rule.category)]
    ruled = {rule.rate for rule in kept if rule.category is None}
    others = {row.key.rate for row in sales.vat_codes} - ruled - {rate}
    if default:
        kept += [LedgerRule(account=default, rate=other) for other in sorted(others)]
    return settings.model_copy(update={"sales": sales.model_copy(update={"ledger_accounts": tuple(kept)})})


def _with_rate(settings: ConnectionSettings, rate: Decimal, account: str) -> ConnectionSettings:
    rules = (*settings.sales.ledger_accounts, LedgerRule(account=account, rate=rate))
    return settings.model_copy(update={"sales": settings.sales.model_copy(update={"ledger_accounts": rules})})


def summary(story: Story) -> dict[str, Any]:
    """The story for programs."""
    return {
        "runs": [
            {
                "entity": one.summary.entity,
                "tenant": one.summary.tenant,
                "status": one.summary.status,
                "seconds": one.summary.seconds(),
                "counts": one.summary.counts,
                "sync": number,
            }
            for number, runs in ((1, story.first), (2, story.second))
            for one in runs
        ],
        "skipped": [{"document": one.title, "issues": [issue.code for issue in one.issues]} for one in story.skipped],
        "booked_after_the_fix": [
            {"document": one.title, "booking_number": one.booking_number} for one in story.booked_later
        ],
        "taken_and_booked_later": [
            {"document": one.number, "tool": one.company.tool, "booking_number": one.booking_number}
            for one in story.taken
        ],
        "ledgers": [
            {
                "entity": one.company.entity.name,
                "tool": one.company.tool,
                "debit": one.balance.debit,
                "credit": one.balance.credit,
                "balanced": one.balance.even,
                "documents": len(one.entries),
                "asked": len(one.asked),
            }
            for one in story.proofs
        ],
        "faults": story.faults,
    }
