"""Relations of a dossier, and which of them a party may be (api.md section 4.2).

Matched on VAT number, which is the company number too in Belgium; several active relations with the same number are
to be expected: the one with the party's name is taken, else a person chooses. A name alone never makes one certain.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from dagboek_schemas.documents import Party
from dagboek_schemas.identity import normal_number, normal_text
from dagboek_sdk.attempt import Candidate
from dagboek_sdk.mapping import country_of

LASTS = 600.0
"""Seconds that a directory is believed; its reading is limited to 48 a day."""

STAYS = ("currencyCode", "expirationType", "expirationDays", "country", "vatType")
"""Fields of a relation that a change sends back where the party itself does not tell them."""

Relation = Mapping[str, Any]


def relation_id(relation: Relation) -> str | None:
    """Octopus' own key of a relation."""
    key = (relation.get("relationIdentificationServiceData") or {}).get("relationKey") or {}
    return str(key["id"]) if key.get("id") else None


def external_id(relation: Relation) -> int | None:
    """The external number; 0 stands for none."""
    number = (relation.get("relationIdentificationServiceData") or {}).get("externalRelationId")
    return int(number) if number else None


@dataclass
class Directory:
    """All relations of a dossier, by what a party can be known by."""

    read_at: float = field(default_factory=monotonic)
    by_external: dict[int, Relation] = field(default_factory=dict)
    by_number: dict[str, list[Relation]] = field(default_factory=lambda: defaultdict(list))
    by_name: dict[str, list[Relation]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, relations: Iterable[Relation]) -> "Directory":
        """A directory of what was read just now."""
        made = cls()
        for relation in relations:
            made.add(relation)
        return made

    @property
    def fresh(self) -> bool:
        """Whether it can still be believed."""
        return monotonic() - self.read_at < LASTS

    def add(self, relation: Relation) -> None:
        """A relation that was read or made."""
        number = external_id(relation)
        if number:
            self.by_external[number] = relation
        if digits := _digits(relation.get("vatNr")):
            self.by_number[digits].append(relation)
        if name := _name(relation):
            self.by_name[name].append(relation)

    def matches(self, party: Party) -> list[Candidate]:
        """Relations that `party` may be. One active relation with its number is certain; a name alone never is."""
        belgian = country_of(party) in (None, "BE")  # elsewhere a company number may look like a Belgian VAT number
        numbers = (party.vat_number, party.company_number if belgian else None)
        for digits in filter(None, map(_digits, numbers)):
            found = _active(self.by_number.get(digits, ()))
            if len(found) > 1:
                named = [one for one in found if _name(one) == normal_text(party.name)]
                found = named if len(named) == 1 else found
            if found:
                return [_candidate(one, certain=len(found) == 1) for one in found]
        named = _active(self.by_name.get(normal_text(party.name), ()))
        return [_candidate(one, certain=False) for one in named if not _contradicts(one, party)]


def is_same(relation: Relation, party: Mapping[str, Any]) -> bool:
    """Whether a relation that holds our external number is the one that `party` (a payload) is about."""
    ours, theirs = _digits(party.get("vatNr")), _digits(relation.get("vatNr"))
    if ours and theirs:
        return ours == theirs
    return normal_text(str(party.get("name") or "")) == _name(relation)


def changed(relation: Relation, party: Mapping[str, Any]) -> dict[str, Any]:
    """`party` (a payload) as a change of `relation`: what must stay as it is on the card is sent back.

    Changes were seen to set the payment term anew and to ask for country and VAT type (api.md section 4.2).
    """
    stays = {name: relation[name] for name in STAYS if str(relation.get(name, "")).strip()}
    return {**stays, **party, "currencyCode": stays.get("currencyCode", party["currencyCode"])}


def _candidate(relation: Relation, *, certain: bool) -> Candidate:
    number = relation_id(relation) or ""
    return Candidate(entry_id=number, number=number, party_id=number, name=relation.get("name"), certain=certain)


def as_found(relation: Relation) -> Candidate:
    """The relation that bears our own external number."""
    return _candidate(relation, certain=True)


def _name(relation: Relation) -> str:
    return normal_text(relation.get("name") or "")


def _active(relations: Sequence[Relation]) -> list[Relation]:
    known = [one for one in relations if relation_id(one)]
    return [one for one in known if one.get("active", True)] or known


def _contradicts(relation: Relation, party: Party) -> bool:
    ours, theirs = _digits(party.vat_number), _digits(relation.get("vatNr"))
    return bool(ours and theirs and ours != theirs)


def _digits(number: str | None) -> str:
    """A number for comparison: without its country and punctuation; Belgian ones always with ten digits."""
    plain = normal_number(number or "")
    if plain.startswith("BE"):
        plain = plain[2:]
    return plain.zfill(10) if plain.isdecimal() and len(plain) == 9 else plain
