"""How a UBL document is to be paid (BG-16), with the Belgian structured communication."""

import re

from dagboek_schemas.documents import Payment

from dagboek_ubl.findings import Element, Findings, parts, text, texts

_MARKED = re.compile(r"(?:\+{3}|\*{3})\s*(\d{3})\s*/?\s*(\d{4})\s*/?\s*(\d{5})\s*(?:\+{3}|\*{3})", re.ASCII)
_BARE = re.compile(r"(\d{3})(?:/(\d{4})/(\d{5})|(\d{4})(\d{5}))", re.ASCII)


def read_payment(root: Element, findings: Findings) -> Payment:
    """Means, reference, accounts and terms of payment."""
    means = parts(root, "PaymentMeans")
    references = [reference for one in means for reference in texts(one, "PaymentID")]
    accounts = [text(one, "PayeeFinancialAccount", "ID") for one in means]
    terms = [note for one in parts(root, "PaymentTerms") for note in texts(one, "Note")]
    communication = next(filter(None, map(structured_communication, references)), None)
    if communication is None and (wrong := next(filter(_MARKED.search, references), None)):
        findings.add("U33", path="payment.structured_communication", found=wrong[:40])
    return Payment(
        means_code=next(filter(None, (text(one, "PaymentMeansCode") for one in means)), None),
        reference=references[0] if references else None,
        structured_communication=communication,
        accounts=tuple(dict.fromkeys(filter(None, accounts))),
        terms="\n".join(terms) or None,
    )


def structured_communication(reference: str) -> str | None:
    """The twelve digits of a Belgian structured communication, or None when `reference` holds no valid one.

    The last two are the first ten modulo 97, or 97 where that is 0 (Febelfin, structured format of payments).
    Between `+++` or `***` it may stand in a text; without these marks it must be all there is.
    """
    match = _MARKED.search(reference) or _BARE.fullmatch(reference.strip())
    if not match:
        return None
    digits = "".join(filter(None, match.groups()))
    return digits if int(digits[10:]) == (int(digits[:10]) % 97 or 97) else None
