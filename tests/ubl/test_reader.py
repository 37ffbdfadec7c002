"""What the reader makes of the many ways in which UBL is written."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from dagboek_schemas.documents import Kind
from dagboek_schemas.issues import Severity
from dagboek_ubl.reader import ReadResult
from ubl.make_samples import ALPEN, KOFFIE, VUURTOREN, beans, service
from ubl.write_ubl import D, Extra, Paper, Row, render

Read = Callable[[str | bytes | Paper], ReadResult]
PLAIN = Paper("X-1", "2026-06-01", KOFFIE, VUURTOREN, (service("Huur", "85.00"), beans(4)), due="2026-07-01")
ONE_RATE = replace(PLAIN, rows=(service("Huur", "85.00"), service("Onderhoud", "15.00")))
CATEGORY = "<cac:TaxCategory>"


def told(result: ReadResult) -> list[tuple[str, str | None]]:
    return [(issue.code, issue.rule) for issue in result.issues]


def without(text: str, start: str, end: str) -> str:
    """`text` without the parts from `start` to `end`."""
    while start in text:
        before, _, rest = text.partition(start)
        text = before + rest.partition(end)[2]
    return text


def test_header_and_lines(read: Read) -> None:
    document = read(replace(PLAIN, order="PO-7", note="Dank u", delivery="2026-05-30")).document
    assert document
    assert (document.number, document.kind, document.currency) == ("X-1", Kind.INVOICE, "EUR")
    assert (document.issue_date, document.due_date) == (date(2026, 6, 1), date(2026, 7, 1))
    assert (document.delivery_date, document.order_reference) == (date(2026, 5, 30), "PO-7")
    assert (document.buyer_reference, document.note) == ("inkoop", "Dank u")
    assert document.seller.address.city == "Oostende" and document.seller.email
    first, second = document.lines
    assert (first.quantity, first.price, first.net, first.vat_rate) == (D(1), D("85.00"), D("85.00"), D(21))
    assert (second.name, second.unit, second.vat_category) == ("Koffiebonen Oostende, 1 kg", "KGM", "S")
    assert document.totals.gross == D("164.33")


@pytest.mark.parametrize("written", ["2026-06-01Z", "2026-06-01+02:00", "2026-06-01T00:00:00", " 2026-06-01\n"])
def test_dates_with_more_than_a_date(read: Read, written: str) -> None:
    document = read(render(PLAIN).replace(">2026-06-01<", f">{written}<")).document
    assert document and document.issue_date == date(2026, 6, 1)


@pytest.mark.parametrize(
    "written",
    ["0000-00-00", "0001-01-01", "9999-12-31", "2026-W23-1", "2026-153", "20260601", "٢٠٢٦-٠٦-٠١"],
)
def test_what_is_no_date(read: Read, written: str) -> None:
    result = read(render(PLAIN).replace(">2026-06-01<", f">{written}<"))
    assert result.document is None and told(result) == [("U25", None)]
    assert result.issues[0].facts["found"] == written


def test_a_due_date_that_cannot_be_read_is_left_out(read: Read) -> None:
    result = read(replace(PLAIN, due="30 days"))
    assert result.document and result.document.due_date is None
    assert told(result) == [("U39", None)]


def test_due_date_of_a_credit_note_stands_with_the_payment(read: Read) -> None:
    document = read(replace(PLAIN, credit=True, due="2026-07-15")).document
    assert document and document.due_date == date(2026, 7, 15)


def test_prefixes_and_envelope(read: Read) -> None:
    body = render(PLAIN).partition("\n")[2].replace("cac:", "a:").replace("cbc:", "b:")
    body = body.replace("xmlns:cac", "xmlns:a").replace("xmlns:cbc", "xmlns:b")
    plain = read(PLAIN).document
    assert read(body).document == plain
    envelope = (
        '<sh:StandardBusinessDocument xmlns:sh="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader">'
    )
    assert read(f"{envelope}<sh:StandardBusinessDocumentHeader/>{body}</sh:StandardBusinessDocument>").document == plain


@pytest.mark.parametrize(
    ("root_credit", "code", "kind"),
    [
        (False, "380", Kind.INVOICE),
        (False, "381", Kind.CREDIT_NOTE),
        (False, "261", Kind.CREDIT_NOTE),
        (False, "384", Kind.INVOICE),
        (False, "389", Kind.INVOICE),
        (False, "wrong", Kind.INVOICE),
    ],
)
def test_type_codes(read: Read, root_credit: bool, code: str, kind: Kind) -> None:
    document = read(replace(PLAIN, type_code=code, credit=root_credit)).document
    assert document and (document.kind, document.type_code) == (kind, code)


def test_a_corrective_invoice_keeps_its_signs(read: Read) -> None:
    document = read(replace(PLAIN, rows=(beans(-4),), type_code="384")).document
    assert document and document.totals.payable == D("-61.48")
    assert document.lines[0].net == D("-58.00")


@pytest.mark.parametrize(("root", "code"), [("CreditNote", "380"), ("CreditNote", "384"), ("Invoice", "abc")])
def test_a_type_code_that_does_not_go_with_the_document_is_told(read: Read, root: str, code: str) -> None:
    text = render(replace(PLAIN, credit=root == "CreditNote"))
    result = read(re.sub(rf"({root}TypeCode)>\d+<", rf"\1>{code}<", text))
    assert result.document and told(result) == [("U40", "BR-CL-01")]
    assert result.document.kind is (Kind.CREDIT_NOTE if root == "CreditNote" else Kind.INVOICE)


@pytest.mark.parametrize("code", ["81", "261", "396", "502"])
def test_type_codes_of_credit_notes(read: Read, code: str) -> None:
    result = read(render(replace(PLAIN, credit=True)).replace(">381<", f">{code}<"))
    assert result.document and not result.issues


def test_pro_forma_is_told(read: Read) -> None:
    result = read(replace(PLAIN, type_code="325"))
    assert result.document and told(result) == [("U35", None)]


# VAT


def test_lines_without_category_take_the_only_one(read: Read) -> None:
    text = without(render(ONE_RATE), "<cac:ClassifiedTaxCategory>", "</cac:ClassifiedTaxCategory>")
    document = read(text).document
    assert document and [(line.vat_category, line.vat_rate) for line in document.lines] == [("S", D(21))] * 2


def test_lines_without_category_and_a_choice_of_two(read: Read) -> None:
    text = without(render(PLAIN), "<cac:ClassifiedTaxCategory>", "</cac:ClassifiedTaxCategory>")
    result = read(text)
    assert result.document is None and told(result) == [("U18", "BR-CO-04")]
    assert result.issues[0].facts["field"] == "InvoiceLine 1"


def test_lines_taxed_by_their_own_total_as_in_ubl_20(read: Read) -> None:
    text = render(PLAIN)
    for category, rate, net in (("S", "21", "85.00"), ("S", "6", "58.00")):
        tax = (
            f'<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">1</cbc:TaxAmount><cac:TaxSubtotal>{CATEGORY}'
            f"<cbc:ID>{category}</cbc:ID><cbc:Percent>{rate}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID>"
            "</cac:TaxScheme></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"
        )
        start = f"{net}</cbc:LineExtensionAmount>"
        text = text.replace(start, start + tax)
    text = without(text, "<cac:ClassifiedTaxCategory>", "</cac:ClassifiedTaxCategory>")
    document = read(text).document
    assert document and [line.vat_rate for line in document.lines] == [D(21), D(6)]


def test_cash_discount_of_ubl_be_splits_the_line(read: Read) -> None:
    rows = (Row("Schoenen", D(1), D(98), vat_name="03"), Row("Korting contant", D(1), D(2), "E", D(0), "FD"))
    text = render(replace(PLAIN, rows=rows, profile="ublbe"))
    before, _, rest = text.partition("<cac:InvoiceLine>")
    part = (
        f'<cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">%s</cbc:TaxableAmount>{CATEGORY}<cbc:ID>%s</cbc:ID>'
        "<cbc:Name>%s</cbc:Name><cbc:Percent>%s</cbc:Percent></cac:TaxCategory></cac:TaxSubtotal>"
    )
    line = (
        "<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity>2</cbc:InvoicedQuantity>"
        '<cbc:LineExtensionAmount currencyID="EUR">100</cbc:LineExtensionAmount><cac:TaxTotal>'
        + part % ("98", "S", "03", "21")
        + part % ("2", "E", "FD", "0")
        + "</cac:TaxTotal><cac:Item><cbc:Name>Schoenen</cbc:Name></cac:Item></cac:InvoiceLine></Invoice>"
    )
    assert rest
    result = read(before + line)
    document = result.document
    assert document and not result.issues
    told_ = [(line.id, line.net, line.vat_category, line.vat_name, line.quantity) for line in document.lines]
    assert told_ == [("1", D(98), "S", "03", D(2)), ("1/2", D(2), "E", "FD", None)]


@pytest.mark.parametrize(("code", "category"), [("AA", "S"), ("H", "S"), ("AE", "AE"), ("K", "K"), ("G", "G")])
def test_categories_of_other_lists(read: Read, code: str, category: str) -> None:
    rate = D(0) if category == code else D(6)
    document = read(replace(PLAIN, rows=(Row("Iets", D(1), D(10), code, rate),))).document
    assert document and document.vat_breakdown[0].category == category == document.lines[0].vat_category


def test_no_breakdown_and_no_vat(read: Read) -> None:
    rows = (Row("Iets", D(1), D(10), "O", None),)
    text = without(render(replace(PLAIN, rows=rows)), "<cac:TaxTotal>", "</cac:TaxTotal>")
    text = without(text, "<cac:ClassifiedTaxCategory>", "</cac:ClassifiedTaxCategory>")
    result = read(text)
    assert result.document and told(result) == [("U32", "BR-CO-18")]
    (row,) = result.document.vat_breakdown
    assert (row.category, row.rate, row.taxable, row.tax) == ("O", None, D(10), D(0))
    assert result.document.lines[0].vat_category == "O"


def test_no_breakdown_but_lines_that_tell_it(read: Read) -> None:
    text = without(render(PLAIN), "<cac:TaxSubtotal>", "</cac:TaxSubtotal>")
    result = read(text)
    expected = read(PLAIN).document
    assert result.document and expected and told(result) == [("U32", "BR-CO-18")]
    assert result.document.vat_breakdown == expected.vat_breakdown


def test_vat_without_breakdown_that_lines_do_not_explain(read: Read) -> None:
    text = without(render(PLAIN.with_total("TaxAmount", "30.00")), "<cac:TaxSubtotal>", "</cac:TaxSubtotal>")
    assert ("U09", "BR-CO-18") in told(read(text))


def test_another_tax_of_zero_is_no_trouble(read: Read) -> None:
    other = (
        '<cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">0</cbc:TaxableAmount><cbc:TaxAmount currencyID="EUR">0'
        f"</cbc:TaxAmount>{CATEGORY}<cbc:ID>S</cbc:ID><cac:TaxScheme><cbc:ID>ENV</cbc:ID></cac:TaxScheme>"
        "</cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"
    )
    result = read(render(PLAIN).replace("</cac:TaxTotal>", other))
    assert result.document and not result.issues and len(result.document.vat_breakdown) == 2


@pytest.mark.parametrize(
    ("category", "rate", "rule"),
    [("AE", "21", "BR-AE-09"), ("K", "21", "BR-IC-09"), ("E", "6", "BR-E-09"), ("S", "0", "BR-S-05")],
)
def test_vat_that_does_not_go_with_its_category_is_told(read: Read, category: str, rate: str, rule: str) -> None:
    result = read(replace(PLAIN, rows=(Row("Iets", D(1), D(10), category, D(rate)),)))
    assert result.document and told(result) == [("U41", rule)]


def test_a_standard_rate_without_rate_is_told(read: Read) -> None:
    result = read(replace(PLAIN, rows=(Row("Iets", D(1), D(10), "S", None),)))
    assert result.document and told(result) == [("U41", "BR-48")]


def test_a_breakdown_without_category(read: Read) -> None:
    result = read(without(render(PLAIN), "<cac:TaxCategory>", "</cac:TaxCategory>"))
    assert result.document is None and told(result) == [("U09", "BR-47")]


@pytest.mark.parametrize("rate", ["-21", "2100", "20.9999999999", "21%", "1E1"])
def test_what_is_no_vat_rate(read: Read, rate: str) -> None:
    result = read(render(PLAIN).replace(">21</cbc:Percent>", f">{rate}</cbc:Percent>"))
    assert result.document is None and ("U10", None) in told(result)


def test_a_rate_with_many_zeros_is_that_rate(read: Read) -> None:
    document = read(render(PLAIN).replace(">21</cbc:Percent>", ">21.0000000000</cbc:Percent>")).document
    assert document and str(document.lines[0].vat_rate) == "21.000"


@pytest.mark.parametrize("scheme", ["VAT", "vat", "UK VAT", "BTW", "TVA", "MwSt", "1"])
def test_what_is_vat(read: Read, scheme: str) -> None:
    document = read(render(PLAIN).replace("<cbc:ID>VAT</cbc:ID>", f"<cbc:ID>{scheme}</cbc:ID>")).document
    assert document and document.seller.vat_number == KOFFIE.vat and len(document.vat_breakdown) == 2


# Amounts


def test_discount_charge_prepaid_and_rounding(read: Read) -> None:
    extras = (Extra(False, D("5.00"), rate=D(21), reason="Actie"), Extra(True, D("3.00"), rate=D(6), reason="Vracht"))
    document = read(replace(PLAIN, extras=extras, prepaid=D("20.00"), rounding=D("0.03"))).document
    assert document
    assert [(row.charge, row.amount, row.reason) for row in document.allowances_charges] == [
        (False, D("5.00"), "Actie"),
        (True, D("3.00"), "Vracht"),
    ]
    totals = document.totals
    assert (totals.allowances, totals.charges, totals.prepaid, totals.rounding) == (D(5), D(3), D(20), D("0.03"))
    assert totals.payable == totals.gross - 20 + D("0.03")


def test_rounding_that_stands_in_the_total(read: Read) -> None:
    paper = replace(PLAIN, rounding=D("0.02")).with_total("TaxInclusiveAmount", "164.35")
    result = read(paper)
    assert result.document and told(result) == [("U34", "BR-CO-15")]
    assert result.document.totals.gross == D("164.33")
    assert (result.document.totals.rounding, result.document.totals.payable) == (D("0.02"), D("164.35"))


@pytest.mark.parametrize("name", ["TaxInclusiveAmount", "TaxExclusiveAmount", "LineExtensionAmount"])
def test_totals_left_out_are_worked_out(read: Read, name: str) -> None:
    expected, result = read(PLAIN).document, read(PLAIN.with_total(name, ""))
    assert expected and result.document and result.document.totals == expected.totals


def test_more_than_two_decimals_are_rounded_and_told(read: Read) -> None:
    rows = tuple(Row("Minuten", D(1), D("0.333"), net=D("0.333")) for _ in range(3))
    paper = replace(PLAIN, rows=rows).with_total("LineExtensionAmount", "1.00").with_total("TaxAmount", "0.21")
    paper = paper.with_total("TaxExclusiveAmount", "1.00").with_total("TaxInclusiveAmount", "1.21")
    result = read(paper.with_total("PayableAmount", "1.21"))
    assert result.document and told(result) == [("U31", "BR-DEC")]
    assert sum(line.net for line in result.document.lines) == result.document.totals.net == D("1.00")
    assert {line.net for line in result.document.lines} == {D("0.33"), D("0.34")}


def test_vat_rounded_line_by_line_is_taken_as_it_stands(read: Read) -> None:
    rows = tuple(Row("Koffie", D(1), D("0.62")) for _ in range(10))
    paper = replace(PLAIN, rows=rows).with_total("SubtotalTaxAmount", "1.26").with_total("TaxAmount", "1.26")
    paper = paper.with_total("TaxInclusiveAmount", "7.46").with_total("PayableAmount", "7.46")
    result = read(paper)
    assert result.document and result.document.totals.vat == D("1.26")


def test_price_per_hundred(read: Read) -> None:
    text = render(replace(PLAIN, rows=(Row("Schroeven", D(250), D("0.04")),)))
    text = text.replace(">0.04</cbc:PriceAmount>", ">4.00</cbc:PriceAmount><cbc:BaseQuantity>100</cbc:BaseQuantity>")
    result = read(text)
    assert result.document and not result.issues
    assert result.document.lines[0].price == D("0.04")


def test_line_discount_is_within_the_line(read: Read) -> None:
    result = read(replace(PLAIN, rows=(Row("Zak", D(3), D("118.00"), discount=D("14.16")),)))
    assert result.document and not result.issues
    assert result.document.lines[0].net == D("339.84") and not result.document.allowances_charges


def test_a_line_that_is_not_quantity_times_price_is_told(read: Read) -> None:
    result = read(replace(PLAIN, rows=(Row("Zak", D(3), D(10), net=D("25.00")),)))
    assert result.document and told(result) == [("U36", "PEPPOL-EN16931-R120")]
    assert result.document.lines[0].net == D(25)


def test_a_charge_without_indicator_is_not_guessed(read: Read) -> None:
    paper = replace(PLAIN, extras=(Extra(True, D(5)),))
    result = read(render(paper).replace("<cbc:ChargeIndicator>true</cbc:ChargeIndicator>", ""))
    assert result.document is None and told(result) == [("U10", None)]


# Currency


def test_currency_in_small_letters(read: Read) -> None:
    document = read(render(PLAIN).replace("EUR", "eur")).document
    assert document and document.currency == "EUR"


def test_what_is_no_currency(read: Read) -> None:
    result = read(render(PLAIN).replace("DocumentCurrencyCode>EUR<", "DocumentCurrencyCode>€<"))
    assert result.document is None and told(result) == [("U10", "BR-CL-04")]


def test_other_currencies_that_are_none(read: Read) -> None:
    rate = rated("1.0625", "CHF", "Euro")
    document = read(rate).document
    assert document and (document.exchange_rate, document.tax_currency) == (None, "EUR")
    text = without(rate, "<cbc:TaxCurrencyCode>", "</cbc:TaxCurrencyCode>")
    result = read(text.replace('"EUR"', '"Euro"'))
    assert result.document is None and told(result) == [("U14", "PEPPOL-EN16931-R051")]


def rated(rate: str, source: str, target: str, operator: str = "Multiply") -> str:
    text = render(replace(PLAIN, buyer=ALPEN, currency="CHF", tax_currency="EUR", rate=D("1.0625")))
    text = without(text, "<cac:TaxExchangeRate>", "</cac:TaxExchangeRate>")
    element = (
        f"<cac:TaxExchangeRate><cbc:SourceCurrencyCode>{source}</cbc:SourceCurrencyCode><cbc:TargetCurrencyCode>"
        f"{target}</cbc:TargetCurrencyCode><cbc:CalculationRate>{rate}</cbc:CalculationRate><cbc:MathematicOperatorCode>"
        f"{operator}</cbc:MathematicOperatorCode></cac:TaxExchangeRate><cac:TaxTotal>"
    )
    return text.replace("<cac:TaxTotal>", element, 1)


@pytest.mark.parametrize(
    ("rate", "source", "target", "operator", "expected"),
    [
        ("1.0625", "CHF", "EUR", "Multiply", "1.0625"),
        ("0.8", "CHF", "EUR", "Divide", "1.25"),
        ("0.8", "EUR", "CHF", "Multiply", "1.25"),
        ("1.25", "EUR", "CHF", "Divide", "1.25"),
        ("0", "CHF", "EUR", "Multiply", None),
        ("1.5", "USD", "EUR", "Multiply", None),
        ("1.5", "CHF", "USD", "Multiply", None),
    ],
)
def test_exchange_rate(read: Read, rate: str, source: str, target: str, operator: str, expected: str | None) -> None:
    """The last three say nothing of use; VAT in both currencies is no rate either, since it is rounded."""
    document = read(rated(rate, source, target, operator)).document
    assert document
    assert (document.currency, document.tax_currency) == ("CHF", "EUR")
    assert document.vat_in_tax_currency == D("22.66")
    assert document.exchange_rate == (D(expected) if expected else None)


def test_no_rate(read: Read) -> None:
    document = read(replace(PLAIN, currency="CHF")).document
    assert document and document.exchange_rate is None and document.tax_currency is None


def test_a_rate_that_cannot_be_read(read: Read) -> None:
    result = read(rated("1,0625", "CHF", "EUR"))
    assert result.document is None and told(result) == [("U10", None)]


# Parties and payment


def test_number_among_other_identifications(read: Read) -> None:
    text = without(render(PLAIN), "<cbc:CompanyID scheme", "</cbc:CompanyID>")
    identification = '<cac:PartyIdentification><cbc:ID schemeID="0208">0999100196</cbc:ID></cac:PartyIdentification>'
    document = read(text.replace("<cac:PartyName>", identification + "<cac:PartyName>", 1)).document
    assert document and (document.seller.company_number, document.seller.company_number_scheme) == (
        "0999100196",
        "0208",
    )
    assert document.buyer.company_number is None


def test_a_person_has_a_name_too(read: Read) -> None:
    text = render(PLAIN).replace(VUURTOREN.name, "")
    person = "<cac:Person><cbc:FirstName>Lotte</cbc:FirstName><cbc:FamilyName>Verhaeghe</cbc:FamilyName></cac:Person>"
    before, _, after = text.rpartition("</cac:Party>")
    document = read(f"{before}{person}</cac:Party>{after}").document
    assert document and document.buyer.name == "Lotte Verhaeghe"


def test_wrong_structured_communication_is_told(read: Read) -> None:
    result = read(replace(PLAIN, reference="+++202/6000/00193+++"))
    assert result.document and told(result) == [("U33", None)]
    assert result.document.payment.structured_communication is None
    assert result.document.payment.reference == "+++202/6000/00193+++"


def test_account_of_a_line_only_when_asked(read: Read) -> None:
    from dagboek_ubl.reader import read_root
    from dagboek_ubl.xml import parse

    text = render(replace(PLAIN, rows=(Row("Zak", D(1), D(10), cost="604000"),)))
    document = read(text).document
    assert document and document.lines[0].account is None
    document = read_root(parse(text.encode()), "x", ledger_accounts=True).document
    assert document and document.lines[0].account == "604000"


# Attachments


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Temp\\a.pdf", "a.pdf"),
        ("..", "X-1.pdf"),
        ("", "X-1.pdf"),
        ("fac<tu>ur?.pdf", "fac_tu_ur_.pdf"),
        ("a" * 400 + ".pdf", "a" * 146 + ".pdf"),
        ("x\u202efdp.exe", "x_fdp.exe"),
    ],
)
def test_names_of_attachments(read: Read, written: str, name: str) -> None:
    document = read(replace(PLAIN, attachment=(written, "application/pdf", "VGVzdA=="))).document
    assert document
    (attachment,) = document.attachments
    assert (attachment.file_name, attachment.size, attachment.ref) == (name, 4, "document.xml#1")


@pytest.mark.parametrize("content", ["A", "VGVz!!dA==", "VGVzdA==VGVzdA==", "é"])
def test_an_attachment_that_is_no_base64_is_left_out_and_told(read: Read, content: str) -> None:
    result = read(replace(PLAIN, attachment=("a.pdf", "application/pdf", content)))
    assert result.document and told(result) == [("U39", None)] and not result.document.attachments
    assert all(issue.severity is Severity.INFORMATION for issue in result.issues)


def test_an_attachment_in_parts_is_left_out_and_told(read: Read) -> None:
    text = render(replace(PLAIN, attachment=("a.pdf", "application/pdf", "VGVzdA==")))
    result = read(text.replace("VGVzdA==", "VGVz<cbc:b/>dA=="))
    assert result.document and told(result) == [("U39", None)] and not result.document.attachments


def test_base64_in_lines(read: Read) -> None:
    document = read(replace(PLAIN, attachment=("a.pdf", "application/pdf", "VGVz\n  dA==\n"))).document
    assert document and document.attachments[0].size == 4
