"""A customer or supplier has a sound VAT number and a country, and they agree (product.md sections 4.1 and 4.7).

B03, D01 and D03 are asked only of connections that check VAT numbers: a foreign registration is rare but legal, and
sample documents are full of invented numbers. Nothing is looked up over the network: VIES may be down.
"""

from collections.abc import Sequence

from dagboek_schemas.documents import Party
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.mapping import country_of

from dagboek.rules.vat_numbers import Fault, vat_number


@hookimpl
def dagboek_validate_party(party: Party, component: Component, context: MappingContext) -> Sequence[Issue] | None:
    """B03 wrong form, D01 wrong check digit, D02 no country, D03 country and VAT number contradict each other."""
    country = party.address.country
    if not country and country_of(party) is None:
        return (Issue(code="D02", facts={"party": party.name}, field="address.country"),)
    if not party.vat_number or not context.settings.check_vat_numbers:
        return None
    number = vat_number(party.vat_number, country)
    if number is None:
        return None
    issues: list[Issue] = []
    if number.fault is Fault.FORM:
        facts = {"vat_number": party.vat_number, "country": number.country, "expected": number.form}
        issues.append(Issue(code="B03", facts=facts, field="vat_number"))
    elif number.fault is Fault.CHECK_DIGIT:
        issues.append(Issue(code="D01", facts={"vat_number": party.vat_number}, field="vat_number"))
    if not number.fits(country):
        facts = {"party": party.name, "vat_number": party.vat_number}
        facts |= {"country": country or "", "vat_country": number.country}
        issues.append(Issue(code="D03", facts=facts, field="address.country"))
    return issues
