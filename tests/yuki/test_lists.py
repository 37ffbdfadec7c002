"""Yuki's reference data as rows, out of answers as the reference has them."""

from decimal import Decimal

from dagboek_yuki import lists, soap
from lxml.etree import _Element as Element

NIL = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'


def answered(operation: str, inner: str) -> Element:
    body = (
        f'<s:Envelope xmlns:s="{soap.SOAP}"><s:Body><{operation}Response xmlns="{soap.YUKI}">'
        f"<{operation}Result>{inner}</{operation}Result></{operation}Response></s:Body></s:Envelope>"
    )
    return soap.result(body.encode(), operation)


def vat(kind: int, percentage: str, country: str, description: str, start: str = "", end: str = "") -> str:
    def moment(name: str, value: str) -> str:
        return f"<{name}>{value}T00:00:00</{name}>" if value else f"<{name} {NIL} />"

    return (
        f"<VATCode><description>{description}</description><type>{kind}</type><typeDescription>{description}"
        f"</typeDescription><percentage>{percentage}</percentage><country>{country}</country>"
        f"{moment('startDate', start)}{moment('endDate', end)}</VATCode>"
    )


def test_accounts_are_read_with_yukis_spelling_and_with_another() -> None:
    found = lists.account_rows(
        answered(
            "GetGLAccountScheme",
            "<GlAccount><code>80000</code><type>4</type><subtype>1</subtype><isEnabled>true</isEnabled>"
            "<descripton>Omzet hoog</descripton><isVATApplicable>true</isVATApplicable></GlAccount>"
            "<GlAccount><code>13000</code><type>1</type><isEnabled>false</isEnabled>"
            "<description>Debiteuren</description></GlAccount>"
            "<GlAccount><code>45000</code></GlAccount><GlAccount><descripton>none</descripton></GlAccount>",
        )
    )
    assert [(row.code, row.name, row.active) for row in found] == [
        ("13000", "Debiteuren", False),
        ("45000", "45000", True),
        ("80000", "Omzet hoog", True),
    ]
    assert found[2].details == {"type": 4, "subtype": 1, "vat": True}


def test_vat_rates_are_told_by_type_percentage_and_country() -> None:
    rows = lists.vat_code_rows(
        answered(
            "ActiveVATCodesList",
            vat(1, "21.00", "nl", "VAT high, sales", "2012-10-01")
            + vat(40, "5.50", "FR", "OSS", "2021-07-01", "2026-12-31")
            + vat(21, "12.00", "BE", "VAT medium")
            + vat(0, "0", "NL", "VAT exempt")
            + vat(5, "21", "NL", "Btw hoog, inkoop")
            + vat(18, "0", "NL", "Margeregeling")
            + "<VATCode><description>without anything</description></VATCode>",
        )
    )
    assert [(row.code, row.rate, row.kind) for row in rows] == [
        ("0/0/NL", Decimal(0), "sales"),
        ("1/21/NL", Decimal(21), "sales"),
        ("5/21/NL", Decimal(21), "purchase"),
        ("18/0/NL", Decimal(0), None),
        ("21/12/BE", Decimal(12), "sales"),
        ("40/5.5/FR", Decimal("5.5"), "sales"),
    ]
    high, oss = rows[1], rows[5]
    assert high.details == {
        "type": 1,
        "description": "VAT high, sales",
        "country": "NL",
        "start": "2012-10-01",
        "end": None,
    }
    assert (oss.details["start"], oss.details["end"]) == ("2021-07-01", "2026-12-31")


def test_periods_of_one_rate_are_one_row() -> None:
    before, after = vat(2, "9", "NL", "laag", "2019-01-01", "2020-12-31"), vat(2, "9.0", "NL", "laag", "2021-01-01")
    for told in (before + after, after + before):
        (row,) = lists.vat_code_rows(answered("ActiveVATCodesList", told))
        assert (row.code, row.details["start"], row.details["end"]) == ("2/9/NL", "2019-01-01", None)


def test_payment_methods_have_their_numbers_as_codes() -> None:
    found = lists.payment_method_rows(
        answered(
            "GetCustomPaymentMethods", "<PaymentMethod><ID>101</ID><Description>Stripe</Description></PaymentMethod>"
        )
    )
    assert [(row.code, row.name) for row in found] == [("101", "Stripe")]
    assert lists.payment_method_rows(answered("GetCustomPaymentMethods", "")) == ()
