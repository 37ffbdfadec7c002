"""Whatever is sent: each entry balances, shows what was said, and the ledger adds up to nothing."""

import itertools
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from yuki_papers import counts, customer, invoice, line, sales

_places = itertools.count(1)
_CODES = ((1, "21"), (2, "9"), (4, "0"), (17, "0"), (6, "0"))

amounts = st.decimals("-99999.99", "99999.99", places=2).filter(bool)
lines = st.lists(st.tuples(amounts, st.sampled_from(_CODES), st.integers(-3, 3)), min_size=1, max_size=8)


def _line(amount: Decimal, code: tuple[int, str], off: int) -> tuple[dict[str, Any], Decimal, Decimal]:
    """A line whose VAT is some cents away from what its rate gives, as where a document rounds once for all lines."""
    kind, rate = code
    vat = (amount * Decimal(rate) / 100).quantize(Decimal("0.01")) + (Decimal(off) / 100 if rate != "0" else 0)
    return line(str(amount), str(vat), kind=kind, rate=rate), amount, vat


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=st.lists(st.tuples(lines, st.sampled_from(("EUR", "USD", "SEK", "HUF"))), min_size=1, max_size=4))
async def test_entries_are_what_was_said_and_balance(client: Any, documents: list[Any]) -> None:
    wanted, batch = {}, []
    for rows, currency in documents:
        reference = f"F-{next(_places)}"
        made = [_line(*row) for row in rows]
        wanted[reference] = (sum(one[1] for one in made), sum(one[2] for one in made), currency)
        batch.append(invoice(reference, *(one[0] for one in made), Currency=currency, Contact=customer()))
    answer = await client.call(
        "Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=sales(*batch)
    )
    assert counts(answer.inner) == (len(batch), 0, 0), etree.tostring(answer.inner)

    books = client.sandbox.books.administration(client.administration)
    for reference, (net, vat, currency) in wanted.items():
        (entry,) = books.numbered("sale", reference)
        (shown,) = [one for one in client.tell("entries", dossier=books.id) if one["number"] == reference]
        assert (shown["net"], shown["vat_total"], shown["total"], shown["currency"]) == (net, vat, net + vat, currency)
        assert shown["balanced"] and not sum(one.document_amount for one in entry.postings)
        assert not sum(one.amount for one in entry.postings)
    assert client.tell("ledger", dossier=books.id)["difference"] == 0


async def test_a_ledger_that_does_not_balance_is_seen(client: Any) -> None:
    await client.call(
        "Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=sales(invoice("F-1"))
    )
    (entry,) = client.sandbox.books.administration(client.administration).numbered("sale", "F-1")
    entry.postings[0].amount += 1

    assert not client.tell("ledger", dossier=client.administration)["balanced"]
    assert not client.tell("entries", dossier=client.administration)[0]["balanced"]
