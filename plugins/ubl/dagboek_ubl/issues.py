"""What can be wrong with a UBL file, in the words of the people who must put it right."""

from collections.abc import Sequence

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText

_I = Severity.INFORMATION
_W = Severity.WARNING


def _entry(code: str, severity: Severity, nl: Sequence[str], fr: Sequence[str], en: Sequence[str]) -> CatalogueEntry:
    texts = {language: CatalogueText(*text) for language, text in (("nl", nl), ("fr", fr), ("en", en))}
    return CatalogueEntry(code=code, texts=texts, severity=severity)


_ASK_NEW = (
    "Vraag de opsteller om een nieuw bestand en zet het in de map in plaats van dit.",
    "Demandez un nouveau fichier à l'émetteur et placez-le dans le dossier à la place de celui-ci.",
    "Ask whoever made it for a new file and put it in the folder instead of this one.",
)

CATALOGUE: tuple[CatalogueEntry, ...] = (
    _entry(
        "U01",
        _W,
        (
            "Bestand kan niet gelezen worden",
            "{file} kan niet gelezen worden: {reason}.",
            "Controleer of het bestand er nog is en of Dagboek het mag lezen, en synchroniseer opnieuw.",
        ),
        (
            "Fichier illisible",
            "{file} ne peut pas être lu : {reason}.",
            "Vérifiez que le fichier existe encore et que Dagboek peut le lire, puis synchronisez à nouveau.",
        ),
        (
            "File cannot be read",
            "{file} cannot be read: {reason}.",
            "Check that the file is still there and that Dagboek may read it, then synchronise again.",
        ),
    ),
    _entry(
        "U02",
        _W,
        (
            "Koppeling naar buiten de map",
            "{file} is een koppeling naar een map of naar iets buiten de ingestelde map en wordt niet gevolgd.",
            "Zet het bestand zelf in de map in plaats van een koppeling.",
        ),
        (
            "Lien hors du dossier",
            "{file} est un lien vers un dossier ou vers un élément hors du dossier configuré ; il n'est pas suivi.",
            "Placez le fichier lui-même dans le dossier plutôt qu'un lien.",
        ),
        (
            "Link out of the folder",
            "{file} is a link to a folder or to something outside the folder that was set; it is not followed.",
            "Put the file itself into the folder instead of a link.",
        ),
    ),
    _entry(
        "U03",
        _W,
        (
            "Bestand te groot",
            "{file} is {found} groot; het maximum is {expected}.",
            "Vraag een bestand met kleinere bijlagen, of laat de grens verhogen in de instellingen van de bron.",
        ),
        (
            "Fichier trop volumineux",
            "{file} pèse {found} ; le maximum est {expected}.",
            "Demandez un fichier avec des annexes plus petites, ou faites relever la limite de la source.",
        ),
        (
            "File too large",
            "{file} is {found}; the limit is {expected}.",
            "Ask for a file with smaller attachments, or have the limit raised in the settings of the source.",
        ),
    ),
    _entry(
        "U04",
        _W,
        ("Geen geldige XML", "{file} is beschadigd of onvolledig: {found}.", _ASK_NEW[0]),
        ("XML non valide", "{file} est endommagé ou incomplet : {found}.", _ASK_NEW[1]),
        ("Not valid XML", "{file} is damaged or incomplete: {found}.", _ASK_NEW[2]),
    ),
    _entry(
        "U05",
        _W,
        (
            "Verboden XML-declaratie",
            "{file} bevat een DOCTYPE. Een factuur heeft die niet nodig en ze kan schade aanrichten.",
            "Vertrouw dit bestand niet zonder meer: ga na wie het stuurde en vraag een nieuw zonder DOCTYPE.",
        ),
        (
            "Déclaration XML interdite",
            "{file} contient un DOCTYPE. Une facture n'en a pas besoin et il peut nuire.",
            "Méfiez-vous de ce fichier : vérifiez qui l'a envoyé et demandez-en un nouveau sans DOCTYPE.",
        ),
        (
            "Forbidden XML declaration",
            "{file} contains a DOCTYPE. An invoice needs none, and one can do harm.",
            "Do not trust this file unseen: find out who sent it and ask for a new one without a DOCTYPE.",
        ),
    ),
    _entry(
        "U06",
        _W,
        ("Verkeerde tekencodering", "{file} is niet in de opgegeven tekencodering ({found}).", _ASK_NEW[0]),
        ("Mauvais encodage", "{file} n'est pas dans l'encodage annoncé ({found}).", _ASK_NEW[1]),
        ("Wrong character encoding", "{file} is not in the encoding that it names ({found}).", _ASK_NEW[2]),
    ),
    _entry(
        "U07",
        _W,
        (
            "Geen UBL-factuur of -creditnota",
            "{file} is geen UBL 2-factuur of -creditnota, maar: {found}.",
            "Haal het bestand uit de map, of vraag de factuur in UBL-formaat (Peppol BIS 3).",
        ),
        (
            "Pas une facture ni une note de crédit UBL",
            "{file} n'est ni une facture ni une note de crédit UBL 2, mais : {found}.",
            "Retirez le fichier du dossier, ou demandez la facture au format UBL (Peppol BIS 3).",
        ),
        (
            "No UBL invoice or credit note",
            "{file} is no UBL 2 invoice or credit note, but: {found}.",
            "Take the file out of the folder, or ask for the invoice as UBL (Peppol BIS 3).",
        ),
    ),
    _entry(
        "U08",
        _W,
        (
            "XML te omvangrijk",
            "{file} heeft meer of dieper genestelde onderdelen dan een factuur: {found}, hoogstens {expected}.",
            "Splits de factuur, of vraag na of dit bestand echt een factuur is.",
        ),
        (
            "XML trop complexe",
            "{file} a plus d'éléments, ou plus imbriqués, qu'une facture : {found}, au plus {expected}.",
            "Scindez la facture, ou vérifiez que ce fichier est bien une facture.",
        ),
        (
            "XML too complex",
            "{file} has more or deeper nested parts than an invoice: {found}, at most {expected}.",
            "Split the invoice, or find out whether this file really is one.",
        ),
    ),
    _entry(
        "U09",
        _W,
        (
            "Verplicht gegeven ontbreekt",
            "In {file} ontbreekt {field} ({rule}).",
            "Vraag de opsteller om een bestand met dit gegeven.",
        ),
        (
            "Donnée obligatoire manquante",
            "Dans {file}, {field} manque ({rule}).",
            "Demandez à l'émetteur un fichier avec cette donnée.",
        ),
        (
            "Required field missing",
            "{file} lacks {field} ({rule}).",
            "Ask whoever made it for a file that has it.",
        ),
    ),
    _entry(
        "U10",
        _W,
        ("Onleesbare waarde", "In {file} is {field} onleesbaar: “{found}”, verwacht {expected}.", _ASK_NEW[0]),
        ("Valeur illisible", "Dans {file}, {field} est illisible : « {found} », attendu {expected}.", _ASK_NEW[1]),
        ("Unreadable value", "In {file}, {field} cannot be read: “{found}”, expected {expected}.", _ASK_NEW[2]),
    ),
    _entry(
        "U11",
        _W,
        (
            "Bedragen kloppen niet",
            "In {file} is {field} {found}; volgens de andere bedragen moet het {expected} zijn ({rule}).",
            "Laat de opsteller de factuur verbeteren; boek ze niet met bedragen die elkaar tegenspreken.",
        ),
        (
            "Montants incohérents",
            "Dans {file}, {field} vaut {found} ; d'après les autres montants ce doit être {expected} ({rule}).",
            "Faites corriger la facture par son émetteur ; ne la comptabilisez pas avec des montants contradictoires.",
        ),
        (
            "Amounts do not add up",
            "In {file}, {field} is {found}; by the other amounts it must be {expected} ({rule}).",
            "Have the invoice corrected by whoever made it; do not book amounts that contradict each other.",
        ),
    ),
    _entry(
        "U13",
        _W,
        (
            "Onbekende btw-categorie",
            "{file} gebruikt btw-categorie “{found}” in {field}; bekend zijn {expected} ({rule}).",
            "Laat de opsteller de btw-categorie verbeteren.",
        ),
        (
            "Catégorie de TVA inconnue",
            "{file} utilise la catégorie de TVA « {found} » dans {field} ; sont connues {expected} ({rule}).",
            "Faites corriger la catégorie de TVA par l'émetteur.",
        ),
        (
            "Unknown VAT category",
            "{file} uses VAT category “{found}” in {field}; known are {expected} ({rule}).",
            "Have the VAT category corrected by whoever made the file.",
        ),
    ),
    _entry(
        "U14",
        _W,
        (
            "Bedrag in een andere munt",
            "In {file} staat {field} in {found}, terwijl het document in {expected} is ({rule}).",
            "Laat de opsteller alle bedragen in één munt zetten.",
        ),
        (
            "Montant dans une autre devise",
            "Dans {file}, {field} est en {found} alors que le document est en {expected} ({rule}).",
            "Faites mettre tous les montants dans une seule devise par l'émetteur.",
        ),
        (
            "Amount in another currency",
            "In {file}, {field} is in {found} while the document is in {expected} ({rule}).",
            "Have all amounts put in one currency by whoever made the file.",
        ),
    ),
    _entry(
        "U15",
        _W,
        (
            "Verkoper en koper zijn dezelfde",
            "In {file} is {found} zowel verkoper als koper: verkoop of aankoop is niet te bepalen.",
            "Laat de opsteller de gegevens van de andere partij verbeteren.",
        ),
        (
            "Vendeur et acheteur identiques",
            "Dans {file}, {found} est à la fois vendeur et acheteur : vente ou achat, on ne peut le dire.",
            "Faites corriger les données de l'autre partie par l'émetteur.",
        ),
        (
            "Seller and buyer are the same",
            "In {file}, {found} is both seller and buyer: sale or purchase cannot be told.",
            "Have the other party's details corrected by whoever made the file.",
        ),
    ),
    _entry(
        "U16",
        _W,
        (
            "Andere belasting dan btw",
            "{file} bevat {found} van belasting “{field}”, die niet als btw geboekt kan worden.",
            "Boek dit document met de hand, of vraag een factuur waarop deze belasting als toeslag staat.",
        ),
        (
            "Autre taxe que la TVA",
            "{file} comporte {found} de taxe « {field} », qui ne peut être comptabilisée comme TVA.",
            "Comptabilisez ce document à la main, ou demandez une facture qui porte cette taxe comme supplément.",
        ),
        (
            "Tax other than VAT",
            "{file} has {found} of tax “{field}”, which cannot be booked as VAT.",
            "Book this document by hand, or ask for an invoice that shows this tax as a charge.",
        ),
    ),
    _entry(
        "U17",
        _W,
        (
            "Creditnota met negatief totaal",
            "{file} is een creditnota met totaal {found}: of dit tegoed of schuld is, is niet te bepalen.",
            "Vraag de opsteller om een creditnota met positieve bedragen, of om een factuur.",
        ),
        (
            "Note de crédit au total négatif",
            "{file} est une note de crédit de total {found} : avoir ou dette, on ne peut le dire.",
            "Demandez une note de crédit aux montants positifs, ou une facture.",
        ),
        (
            "Credit note with a negative total",
            "{file} is a credit note with a total of {found}: whether it is owed or due cannot be told.",
            "Ask for a credit note with positive amounts, or for an invoice.",
        ),
    ),
    _entry(
        "U18",
        _W,
        (
            "Btw van een regel onbekend",
            "In {file} heeft {field} geen btw-categorie en de btw-tabel telt er meer dan één ({rule}).",
            "Vraag de opsteller om een bestand met de btw-categorie op elke regel.",
        ),
        (
            "TVA d'une ligne inconnue",
            "Dans {file}, {field} n'a pas de catégorie de TVA et le tableau de TVA en compte plusieurs ({rule}).",
            "Demandez à l'émetteur un fichier avec la catégorie de TVA sur chaque ligne.",
        ),
        (
            "VAT of a line unknown",
            "In {file}, {field} has no VAT category and the VAT breakdown has more than one ({rule}).",
            "Ask whoever made it for a file with the VAT category on every line.",
        ),
    ),
    _entry(
        "U19",
        _W,
        (
            "Bestand kon niet verwerkt worden",
            "{file} gaf een onverwachte fout ({found}).",
            "Meld dit aan de beheerder, met het bestand erbij.",
        ),
        (
            "Fichier non traité",
            "{file} a provoqué une erreur inattendue ({found}).",
            "Signalez-le à l'administrateur, avec le fichier.",
        ),
        (
            "File could not be processed",
            "{file} gave an unexpected error ({found}).",
            "Report this to your administrator, with the file.",
        ),
    ),
    _entry(
        "U31",
        _I,
        (
            "Bedragen afgerond op de cent",
            "{file} heeft bedragen met meer dan twee decimalen, zoals {found} in {field}; ze zijn afgerond ({rule}).",
            "U hoeft niets te doen. De opsteller kan zijn programma op twee decimalen laten afronden.",
        ),
        (
            "Montants arrondis au cent",
            "{file} a des montants à plus de deux décimales, ainsi {found} dans {field} ; ils sont arrondis ({rule}).",
            "Rien à faire. L'émetteur peut régler son programme sur deux décimales.",
        ),
        (
            "Amounts rounded to the cent",
            "{file} has amounts of more than two decimals, such as {found} in {field}; they were rounded ({rule}).",
            "Nothing to do. Whoever made it can have their program round to two decimals.",
        ),
    ),
    _entry(
        "U32",
        _I,
        (
            "Geen btw-tabel",
            "{file} heeft geen btw-tabel ({rule}); ze is afgeleid uit de regels en totalen: btw {found}.",
            "Ga na of de btw van deze boeking klopt.",
        ),
        (
            "Pas de tableau de TVA",
            "{file} n'a pas de tableau de TVA ({rule}) ; il est déduit des lignes et totaux : TVA {found}.",
            "Vérifiez la TVA de cette écriture.",
        ),
        (
            "No VAT breakdown",
            "{file} has no VAT breakdown ({rule}); it was worked out from lines and totals: VAT {found}.",
            "Check that the VAT of this entry is right.",
        ),
    ),
    _entry(
        "U33",
        _I,
        (
            "Gestructureerde mededeling ongeldig",
            "In {file} klopt het controlegetal van de mededeling “{found}” niet; ze is als gewone tekst overgenomen.",
            "Kijk de mededeling na voor u betaalt.",
        ),
        (
            "Communication structurée non valide",
            "Dans {file}, le chiffre de contrôle de « {found} » est faux ; elle est reprise comme texte libre.",
            "Vérifiez la communication avant de payer.",
        ),
        (
            "Structured communication not valid",
            "In {file} the check digits of “{found}” are wrong; it was taken over as free text.",
            "Look at the communication before you pay.",
        ),
    ),
    _entry(
        "U34",
        _I,
        (
            "Afronding in het totaal",
            "{file} telt de afronding bij het totaal met btw ({found}), zoals vóór EN 16931; ze staat nu apart.",
            "U hoeft niets te doen.",
        ),
        (
            "Arrondi dans le total",
            "{file} compte l'arrondi dans le total TVA comprise ({found}), comme avant EN 16931 ; il est isolé.",
            "Rien à faire.",
        ),
        (
            "Rounding within the total",
            "{file} counts the rounding in the total with VAT ({found}), as before EN 16931; it now stands apart.",
            "Nothing to do.",
        ),
    ),
    _entry(
        "U35",
        _I,
        (
            "Pro-formafactuur",
            "{file} noemt zich een pro-formafactuur (type {found}).",
            "Ga na of u ze wilt boeken; verwijder ze anders uit de map en uit de boekhouding.",
        ),
        (
            "Facture pro forma",
            "{file} se dit facture pro forma (type {found}).",
            "Vérifiez s'il faut la comptabiliser ; sinon retirez-la du dossier et de la comptabilité.",
        ),
        (
            "Pro forma invoice",
            "{file} calls itself a pro forma invoice (type {found}).",
            "Check whether you want it booked; if not, take it out of the folder and of the books.",
        ),
    ),
    _entry(
        "U36",
        _I,
        (
            "Aantal maal prijs klopt niet",
            "In {file} is {field} {found}; aantal maal prijs geeft {expected}. Het regelbedrag telt.",
            "U hoeft niets te doen, tenzij het regelbedrag fout is.",
        ),
        (
            "Quantité fois prix ne correspond pas",
            "Dans {file}, {field} vaut {found} ; quantité fois prix donne {expected}. Le montant de la ligne vaut.",
            "Rien à faire, sauf si le montant de la ligne est faux.",
        ),
        (
            "Quantity times price differs",
            "In {file}, {field} is {found}; quantity times price gives {expected}. The line's amount counts.",
            "Nothing to do, unless the line's amount is wrong.",
        ),
    ),
    _entry(
        "U37",
        _I,
        (
            "Klein verschil in de btw-tabel",
            "In {file} is {field} {found}; de regels geven {expected} ({rule}). De btw-tabel telt.",
            "U hoeft niets te doen.",
        ),
        (
            "Petit écart dans le tableau de TVA",
            "Dans {file}, {field} vaut {found} ; les lignes donnent {expected} ({rule}). Le tableau vaut.",
            "Rien à faire.",
        ),
        (
            "Small difference in the VAT breakdown",
            "In {file}, {field} is {found}; the lines give {expected} ({rule}). The breakdown counts.",
            "Nothing to do.",
        ),
    ),
    _entry(
        "U38",
        _I,
        (
            "Zelfde nummer aan beide kanten",
            "In {file} hebben verkoper en koper hetzelfde nummer; ze zijn op naam uit elkaar gehouden ({found}).",
            "Laat de opsteller het nummer van de andere partij verbeteren.",
        ),
        (
            "Même numéro des deux côtés",
            "Dans {file}, vendeur et acheteur ont le même numéro ; ils ont été distingués par le nom ({found}).",
            "Faites corriger le numéro de l'autre partie par l'émetteur.",
        ),
        (
            "Same number on both sides",
            "In {file} seller and buyer have the same number; they were told apart by name ({found}).",
            "Have the other party's number corrected by whoever made the file.",
        ),
    ),
    _entry(
        "U39",
        _I,
        (
            "Gegeven overgeslagen",
            "In {file} is {field} onleesbaar (“{found}”) en weggelaten; het is niet nodig om te boeken.",
            "Vul het zo nodig aan in de boekhouding.",
        ),
        (
            "Donnée omise",
            "Dans {file}, {field} est illisible (« {found} ») et omis ; il n'est pas nécessaire pour comptabiliser.",
            "Complétez-la au besoin dans la comptabilité.",
        ),
        (
            "Field left out",
            "In {file}, {field} cannot be read (“{found}”) and was left out; booking does not need it.",
            "Add it in the books where you need it.",
        ),
    ),
)

_SEVERITY = {entry.code: entry.severity for entry in CATALOGUE}


def issue(code: str, file: str, *, rule: str | None = None, path: str | None = None, **facts: str) -> Issue:
    """An issue of the catalogue about `file`; `path` is the field of the canonical document, where there is one."""
    known = {"file": file, **({"rule": rule} if rule else {}), **facts}
    return Issue(code=code, severity=_SEVERITY[code], facts=known, field=path, rule=rule)
