"""Writes the sample documents of the package: `uv run python tests/ubl/make_samples.py`.

All companies, numbers and texts are invented. Two tenants: `north/` (entities Noordzee Koffie BV, Noordzee Catering BV
and Noordzee Verhuur BV) and `south/` (entity Zuiderlicht Drukkerij BV); and `broken/`, what is never booked.
"""

import base64
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from ubl.write_ubl import Company, D, Extra, Paper, Row, render

SAMPLES = Path(__file__).parents[2] / "plugins" / "ubl" / "dagboek_ubl" / "samples"


def belgian(name: str, number: str, city: str, zone: str, street: str, iban: str | None = None) -> Company:
    domain = name.lower().replace(" ", "-").rpartition("-")[0]
    mail = f"boekhouding@{domain}.example"
    return Company(name, "BE", f"BE{number}", number, "0208", street, city, zone, mail, iban)


KOFFIE = belgian("Noordzee Koffie BV", "0999100196", "Oostende", "8400", "Visserskaai 12", "BE49999000000171")
CATERING = belgian("Noordzee Catering BV", "0999100295", "Oostende", "8400", "Visserskaai 14", "BE38999000000272")
VERHUUR = belgian("Noordzee Verhuur BV", "0999100394", "Oostende", "8400", "Visserskaai 16", "BE69999000000878")
DRUKKERIJ = belgian("Zuiderlicht Drukkerij BV", "0999400106", "Hasselt", "3500", "Inktstraat 5", "BE80999000000777")

VUURTOREN = belgian("Bistro De Vuurtoren BV", "0999200166", "Nieuwpoort", "8620", "Dijk 3")
ZANDBANK = belgian("Hotel Zandbank NV", "0999200265", "Koksijde", "8670", "Zeelaan 40")
DUINHOEK = belgian("Bouwwerken Duinhoek BV", "0999200364", "De Panne", "8660", "Helmweg 8")
MORGENSTERN = Company(
    "Kaffeehaus Morgenstern GmbH", "DE", "DE999000105", None, None, "Hafenstrasse 7", "Bremen", "28195"
)
ROASTERS = Company("Harbour Roasters Ltd", "GB", None, None, None, "Quay Street 2", "Dover", "CT16 1AA")
ALPEN = Company("Bergkaffee Handels AG", "CH", None, None, None, "Seeweg 9", "Luzern", "6003")
PRIVATE = Company("Lotte Verhaeghe", "BE", street="Meeuwenlaan 77", city="Bredene", zone="8450")

GROENE_BOON = belgian("Branderij Groene Boon BV", "0999300136", "Gent", "9000", "Bonenkaai 1", "BE27999000000373")
ENERGIE = belgian("Energie Kust NV", "0999300235", "Brugge", "8000", "Windmolenweg 2", "BE16999000000474")
VERPAKKING = belgian("Verpakking Van Leemput BV", "0999300334", "Aalst", "9300", "Kartonstraat 6", "BE05999000000575")
NATHALIE = belgian("Atelier Nathalie Comm.V", "0999300433", "Oostende", "8400", "Kapellestraat 9")
MAASHAVEN = Company(
    "Koffiehandel Maashaven B.V.",
    "NL",
    "NL999000111B01",
    "99900011",
    "0106",
    "Maaskade 30",
    "Rotterdam",
    "3071 NE",
    iban="NL78ABNA0999000119",
)
SANTOS = Company("Santos Verde Export Ltda", "BR", None, None, None, "Rua do Porto 15", "Santos", "11010-000")
GARAGE = belgian("Garage Polderwind BV", "0999300631", "Diksmuide", "8600", "Molenweg 21", "BE58999000000979")
DUINRAND = belgian("Verzekeringen Duinrand NV", "0999300730", "Brugge", "8000", "Gistelsteenweg 90")
PAPIER = belgian("Papierhandel Denderland NV", "0999300532", "Ninove", "9400", "Denderkaai 4", "BE91999000000676")
DE_VAART = Company(
    "Uitgeverij De Vaart B.V.", "NL", "NL999002107B01", "99900210", "0106", "Vaartweg 1", "Breda", "4811"
)

REVERSE = {"AE": ("VATEX-EU-AE", "Btw verlegd")}
WITHIN_EU = {"K": ("VATEX-EU-IC", "Intracommunautaire levering")}
EXPORT = {"G": ("VATEX-EU-G", "Uitvoer buiten de EU")}

_PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>>>endobj
xref
0 4
0000000000 65535 f
0000000009 00000 n
0000000053 00000 n
0000000102 00000 n
trailer<</Size 4/Root 1 0 R>>
startxref
177
%%EOF
"""


def pdf(name: str) -> tuple[str, str, str]:
    return name, "application/pdf", base64.b64encode(_PDF).decode()


def beans(quantity: int, price: str = "14.50", rate: int = 6) -> Row:
    return Row("Koffiebonen Oostende, 1 kg", D(quantity), D(price), rate=D(rate), unit="KGM")


def service(name: str, price: str, quantity: str = "1", **more: object) -> Row:
    return Row(name, D(quantity), D(price), **more)  # type: ignore[arg-type]


def north_sales() -> list[Paper]:
    """Ten consecutive invoices, of which the seventh has a line of 12 %; then the special ones."""

    def sale(number: int, day: str, buyer: Company, *rows: Row, **more: object) -> Paper:
        digits = 2026000000 + number
        check = digits % 97 or 97
        text = f"{digits}{check:02d}"
        reference = f"+++{text[:3]}/{text[3:7]}/{text[7:]}+++"
        name = f"2026-{number:04d}"
        return Paper(name, day, KOFFIE, buyer, rows, **{"reference": reference, **more})  # type: ignore[arg-type]

    machine = service("Huur espressomachine", "85.00")
    return [
        sale(1, "2026-01-08", VUURTOREN, machine, due="2026-02-07", attachment=pdf("2026-0001.pdf")),
        sale(2, "2026-01-15", ZANDBANK, beans(40), due="2026-02-14", order="HZ-5521"),
        sale(3, "2026-01-22", VUURTOREN, beans(12), service("Maalmolen", "219.00"), due="2026-02-21"),
        sale(
            4,
            "2026-02-03",
            ZANDBANK,
            service("Espressomachine Duo", "1450.00"),
            extras=(Extra(False, D("72.50"), reason="Vaste klant"),),
            due="2026-03-05",
        ),
        sale(
            5,
            "2026-02-10",
            VUURTOREN,
            beans(20),
            extras=(Extra(True, D("12.00"), reason="Levering aan huis"),),
            due="2026-03-12",
        ),
        sale(6, "2026-02-17", PRIVATE, beans(1, "16.94"), rounding=D("-0.01"), reference=None),
        sale(
            7,
            "2026-02-24",
            ZANDBANK,
            service("Proeverij met maaltijd, 18 personen", "32.00", "18", rate=D(12)),
            service("Huur zaal", "150.00"),
            due="2026-03-26",
        ),
        sale(8, "2026-03-03", VUURTOREN, service("Opleiding barista", "480.00"), prepaid=D("200.00"), due="2026-04-02"),
        sale(
            9,
            "2026-03-10",
            ZANDBANK,
            beans(30),
            service("Leeggoed terug, koffieblik", "2.50", "-24", rate=D(6)),
            due="2026-04-09",
        ),
        sale(10, "2026-03-17", VUURTOREN, service("Onderhoud", "95.00", "1.5", unit="HUR"), profile="ublbe"),
        sale(
            11,
            "2026-04-07",
            DUINHOEK,
            service("Plaatsing toog", "2400.00", category="AE", rate=D(0)),
            reasons=REVERSE,
            due="2026-05-07",
        ),
        sale(
            12,
            "2026-05-12",
            MORGENSTERN,
            Row("Koffiebonen Oostende, 1 kg", D(100), D("13.20"), "K", D(0), unit="KGM"),
            reasons=WITHIN_EU,
            delivery="2026-05-11",
            due="2026-06-11",
        ),
        sale(
            13,
            "2026-06-09",
            ROASTERS,
            Row("Koffiebonen Oostende, 1 kg", D(60), D("13.90"), "G", D(0), unit="KGM"),
            reasons=EXPORT,
        ),
        sale(
            14,
            "2026-07-14",
            ALPEN,
            Row("Kaffeebohnen Ostende, 1 kg", D(50), D("12.95"), "G", D(0), unit="KGM"),
            reasons=EXPORT,
            currency="CHF",
            tax_currency="EUR",
            rate=D("1.0625"),
            profile="en16931",
        ),
    ]


def north_credits() -> list[Paper]:
    machine = service("Huur espressomachine", "85.00")
    return [
        Paper(
            "2026-C001",
            "2026-02-12",
            KOFFIE,
            VUURTOREN,
            (machine,),
            credit=True,
            preceding="2026-0001",
            due="2026-03-14",
        ),
        Paper("2026-C002", "2026-03-20", KOFFIE, ZANDBANK, (beans(2),), credit=True, preceding="2026-0009"),
        # a credit note as UBL 2.0 had it: an Invoice of type 381
        Paper(
            "CAT-26-C01",
            "2026-06-02",
            CATERING,
            ZANDBANK,
            (service("Broodjeslunch, te veel gerekend", "60.00"),),
            credit=True,
            type_code="381",
            profile="ubl20",
            preceding="CAT-26-001",
        ),
    ]


def north_catering() -> list[Paper]:
    return [
        Paper("CAT-26-001", "2026-05-19", CATERING, ZANDBANK, (service("Huur tafels en stoelen", "640.00"),)),
        Paper("CAT-26-002", "2026-08-25", CATERING, KOFFIE, (service("Bediening opendeurdag", "48.00", "12"),)),
    ]


def north_rental() -> list[Paper]:
    """Sales, a credit note and purchases of the third company."""

    def let(number: str, day: str, buyer: Company, *rows: Row, **more: object) -> Paper:
        return Paper(number, day, VERHUUR, buyer, rows, **more)  # type: ignore[arg-type]

    tent = service("Partytent 6 x 12 m, per dag", "245.00", "3")
    return [
        let("VH26-0001", "2026-02-06", ZANDBANK, tent, attachment=pdf("VH26-0001.pdf"), due="2026-03-08"),
        let(
            "VH26-0002",
            "2026-03-13",
            VUURTOREN,
            service("Koelwagen, weekend", "180.00", discount=D("18.00")),
            service("Gekoeld water, krat", "7.35", "12", rate=D(6)),
            due="2026-04-12",
        ),
        let(
            "VH26-0003",
            "2026-04-24",
            DUINHOEK,
            service("Werfcontainer, plaatsing en huur", "1125.00", category="AE", rate=D(0)),
            reasons=REVERSE,
            due="2026-05-24",
        ),
        let("VH26-0004", "2026-06-19", PRIVATE, service("Statafel", "6.61", "20"), rounding=D("0.03")),
        let(
            "VH26-0005",
            "2026-07-03",
            DE_VAART,
            Row("Gebruikte tapinstallatie", D(1), D("860.00"), "K", D(0)),
            reasons=WITHIN_EU,
            delivery="2026-07-02",
            due="2026-08-02",
        ),
        let(
            "VH26-C01",
            "2026-02-20",
            ZANDBANK,
            service("Partytent 6 x 12 m, een dag te veel", "245.00"),
            credit=True,
            preceding="VH26-0001",
        ),
    ]


def north_rental_purchases() -> list[Paper]:
    def bought(number: str, day: str, seller: Company, *rows: Row, **more: object) -> Paper:
        return Paper(number, day, seller, VERHUUR, rows, **more)  # type: ignore[arg-type]

    return [
        bought(
            "P-260218",
            "2026-02-18",
            GARAGE,
            service("Onderhoud koelwagen", "312.50"),
            service("Olie, 5 l", "9.95", "5"),
            attachment=pdf("P-260218.pdf"),
            due="2026-03-20",
        ),
        bought(
            "DR26/5512",
            "2026-03-02",
            DUINRAND,
            service("Verzekering koelwagen, jaar", "684.20", category="E", rate=D(0)),
            reasons={"E": ("VATEX-EU-135-1", "Verzekering, vrijgesteld van btw")},
            due="2026-04-01",
        ),
        bought(
            "P-260218C",
            "2026-03-04",
            GARAGE,
            service("Olie, 5 l, niet geleverd", "9.95", "2"),
            credit=True,
            preceding="P-260218",
        ),
    ]


def north_purchases() -> list[Paper]:
    def bought(number: str, day: str, seller: Company, *rows: Row, **more: object) -> Paper:
        return Paper(number, day, seller, KOFFIE, rows, **more)  # type: ignore[arg-type]

    raw = Row("Ruwe koffie Huila, 60 kg", D(10), D("312.40"), rate=D(6), unit="BG")
    return [
        bought("GB/26/0417", "2026-03-05", GROENE_BOON, raw, due="2026-04-04", attachment=pdf("GB-26-0417.pdf")),
        bought(
            "9000123456",
            "2026-03-31",
            ENERGIE,
            service("Elektriciteit, 1.842 kWh", "0.2315", "1842", unit="KWH"),
            service("Vaste vergoeding", "18.75"),
            reference="+++999/0001/23443+++",
            due="2026-04-30",
        ),
        bought(
            "MH-2026-88",
            "2026-04-20",
            MAASHAVEN,
            Row("Koffie Sidamo, 60 kg", D(5), D("355.00"), "K", D(0), unit="BG"),
            reasons=WITHIN_EU,
            profile="nlcius",
            delivery="2026-04-18",
            due="2026-05-20",
        ),
        bought(
            "SV-0071/26",
            "2026-05-28",
            SANTOS,
            Row("Green coffee Santos, 60 kg", D(8), D("290.00"), "G", D(0), unit="BG"),
            reasons=EXPORT,
            currency="USD",
            tax_currency="EUR",
            rate=D("0.92"),
            profile="en16931",
        ),
        bought(
            "N-2026-014",
            "2026-09-09",
            NATHALIE,
            service("Etiketten ontwerpen", "275.00", category="E", rate=D(0), vat_name="SC"),
            reasons={"E": ("BETE-SC", "Bijzondere vrijstellingsregeling kleine ondernemingen")},
            profile="ublbe",
        ),
        bought(
            "VL260933",
            "2026-10-02",
            VERPAKKING,
            service("Koffiezakken met ventiel, 1.000 st.", "118.00", "3", discount=D("14.16")),
            due="2026-11-01",
        ),
        bought(
            "GB/26/C012",
            "2026-03-26",
            GROENE_BOON,
            Row("Ruwe koffie Huila, beschadigde baal", D(1), D("312.40"), rate=D(6), unit="BG"),
            credit=True,
            preceding="GB/26/0417",
        ),
    ]


def south() -> list[Paper]:
    flyers = service("Flyers A5, 5.000 st.", "189.00")
    books = service("Gebonden boeken, 300 st.", "4.35", "300", rate=D(6))
    return [
        Paper("ZD26-101", "2026-01-20", DRUKKERIJ, DUINHOEK, (flyers,), due="2026-02-19", attachment=pdf("101.pdf")),
        Paper("ZD26-102", "2026-04-14", DRUKKERIJ, ZANDBANK, (books, flyers), due="2026-05-14"),
        Paper(
            "ZD26-103",
            "2026-09-15",
            DRUKKERIJ,
            DE_VAART,
            (service("Romans, 2.000 st.", "2.10", "2000", category="K", rate=D(0)),),
            reasons=WITHIN_EU,
            delivery="2026-09-14",
        ),
        Paper("ZD26-C01", "2026-02-02", DRUKKERIJ, DUINHOEK, (flyers,), credit=True, preceding="ZD26-101"),
        Paper(
            "PD-77812",
            "2026-02-11",
            PAPIER,
            DRUKKERIJ,
            (service("Offsetpapier 120 g, pallet", "642.30", "2"),),
            extras=(
                Extra(False, D("25.69"), reason="Hoeveelheidskorting"),
                Extra(True, D("35.00"), reason="Transport"),
            ),
            reference="+++077/8120/00065+++",
            due="2026-03-13",
        ),
        Paper(
            "PD-C0093",
            "2026-03-02",
            PAPIER,
            DRUKKERIJ,
            (service("Offsetpapier 120 g, vochtschade", "64.23"),),
            credit=True,
            preceding="PD-77812",
        ),
    ]


def broken() -> dict[str, bytes]:
    """Files that must give an issue each; what is wrong is their name."""
    good = Paper("X-1", "2026-06-01", KOFFIE, VUURTOREN, (service("Huur espressomachine", "85.00"), beans(4)))
    text = render(good)
    zero_rated = Paper("X-1", "2026-06-01", KOFFIE, VUURTOREN, (service("Onbekend", "10.00", category="Q"),))
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))
    bomb = text.replace("?>\n", f"?>\n<!DOCTYPE Invoice [{entities}]>\n", 1).replace("Huur", "&e9;", 1)
    outside = text.replace("?>\n", '?>\n<!DOCTYPE Invoice SYSTEM "http://localhost:9/invoice.dtd">\n', 1)
    order = text.replace("Invoice-2", "Order-2").replace("<Invoice", "<Order").replace("/Invoice>", "/Order>")
    alike = text.replace(VUURTOREN.name, KOFFIE.name).replace("0999200166", "0999100196")
    before, _, after = text.rpartition(">6</cbc:Percent>")
    net = "</cbc:LineExtensionAmount>"
    return {
        "malformed.xml": text[: len(text) // 2].encode(),
        "empty.xml": b"",
        "entity-bomb.xml": bomb.encode(),
        "outside-dtd.xml": outside.encode(),
        "wrong-encoding.xml": text.replace("Huur", "Zo\xebven huur").encode("latin-1"),
        "unknown-encoding.xml": text.replace('encoding="UTF-8"', 'encoding="EBCDIC-BE"').encode(),
        "order.xml": order.encode(),
        "line-sum.xml": render(good.with_total("LineExtensionAmount", "152.00")).encode(),
        "net-total.xml": render(good.with_total("TaxExclusiveAmount", "153.00")).encode(),
        "vat-total.xml": render(good.with_total("TaxAmount", "30.00")).encode(),
        "gross-total.xml": render(good.with_total("TaxInclusiveAmount", "164.32")).encode(),
        "amount-due.xml": render(good.with_total("PayableAmount", "164.32")).encode(),
        "vat-per-rate.xml": render(good.with_total("SubtotalTaxAmount", "10.66")).encode(),
        "vat-base.xml": f"{before}>21</cbc:Percent>{after}".encode(),
        "no-currency.xml": text.replace("<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>", "").encode(),
        "no-number.xml": text.replace("<cbc:ID>X-1</cbc:ID>", "").encode(),
        "no-date.xml": text.replace("<cbc:IssueDate>2026-06-01</cbc:IssueDate>", "").encode(),
        "impossible-date.xml": text.replace("2026-06-01", "2026-06-31").encode(),
        "no-buyer.xml": text.replace(VUURTOREN.name, "").encode(),
        "no-amount-due.xml": render(good.with_total("PayableAmount", "")).encode(),
        "amount-with-comma.xml": text.replace(f">85.00{net}", f">85,00{net}").encode(),
        "two-currencies.xml": text.replace('currencyID="EUR">58.00', 'currencyID="USD">58.00').encode(),
        "unknown-vat-category.xml": render(zero_rated).encode(),
        "other-tax.xml": text.replace("<cbc:ID>VAT</cbc:ID>", "<cbc:ID>ENV</cbc:ID>").encode(),
        "same-party.xml": alike.encode(),
        "negative-credit-note.xml": render(
            Paper("X-2", "2026-06-01", KOFFIE, VUURTOREN, (beans(-4),), credit=True)
        ).encode(),
    }


def main() -> None:
    sales = (*north_sales(), *north_credits(), *north_catering(), *north_rental())
    purchases = (*north_purchases(), *north_rental_purchases())
    written = {
        **{f"north/sales/{paper.number}.xml": paper for paper in sales},
        **{f"north/purchases/{paper.number.replace('/', '-')}.xml": paper for paper in purchases},
        **{f"south/{paper.number}.xml": paper for paper in south()},
    }
    for name, paper in written.items():
        _write(SAMPLES / name, render(paper).encode())
    _write(SAMPLES / "north/purchases/VL260933.xml.pending", b"")
    for name, data in broken().items():
        _write(SAMPLES / "broken" / name, data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
