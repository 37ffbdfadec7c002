"""Relations (customers and suppliers): upsert by key or external id, search, changes. Reference, section 4.2."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from . import codes, wire
from .wire import Json, Refused, Result

# Text fields read back as an empty string when unset; a country as two blanks.
_TEXTS = (
    "name", "firstName", "streetAndNr", "postalCode", "city", "deliveryStreetAndNr", "deliveryPostalCode",
    "deliveryCity", "telephone", "email", "fax", "mobile", "url", "bankAccountNr", "ibanAccountNr", "bicCode",
    "profession", "contactPerson", "currencyCode", "remarks", "vatNr", "searchField1", "searchField2",
    "externCustomerNr", "sddReference",
)  # fmt: skip
_COUNTRIES = ("country", "deliveryCountry")
_NUMBERS = {
    "defaultBookingAccountClient": 0, "defaultBookingAccountSupplier": 0, "corporationType": 0, "vatType": 0,
    "expirationType": 2, "expirationDays": 30, "factLanguage": 0, "supplierPaymentMethod": 0,
}  # fmt: skip
_SWITCHES = {"client": False, "supplier": False, "financialDiscount": False, "active": True}
# Left out of the answer until they are set.
_OPTIONAL_NUMBERS = ("sddSeqtype", "sddMandateType", "invoiceDeliveryMethod")
_OPTIONAL_TEXTS = ("participantId",)

_DEFAULTS: Json = {**dict.fromkeys(_TEXTS, ""), **dict.fromkeys(_COUNTRIES, "  "), **_NUMBERS, **_SWITCHES}


@dataclass(slots=True)
class Relation:
    """A customer or supplier; `fields` are as on the wire, without the identification."""

    id: int
    external_id: int
    fields: Json
    modified: float

    def wire(self) -> Json:
        """RelationServiceData."""
        return {**self.fields, "relationIdentificationServiceData": self.identification()}

    def identification(self) -> Json:
        """RelationIdentificationServiceData; the external id reads 0 when there is none."""
        return {"externalRelationId": self.external_id, "relationKey": {"id": self.id}}


class Relations:
    """The relations of a dossier, found by key, external id, whole name and VAT number."""

    def __init__(self) -> None:
        self.by_id: dict[int, Relation] = {}
        self._by_external: dict[int, Relation] = {}
        self._by_name: dict[str, set[int]] = defaultdict(set)
        self._by_vat: dict[str, set[int]] = defaultdict(set)
        self._changes: list[tuple[float, int]] = []

    def find(self, relation_id: int, external_id: int) -> Relation | None:
        """By key, else by external id; 0 as an external id means none."""
        relation = self.by_id.get(relation_id)
        if relation is None and external_id:
            relation = self._by_external.get(external_id)
        return relation

    def upsert(self, body: Json, at: float) -> Result:
        """Merges the fields given into the relation that matches (204), or makes a new one (201 with the whole)."""
        if body.get("relationIdentificationServiceData") is None or body.get("currencyCode") is None:
            raise wire.invalid_parameters()
        relation_id, external_id = read_identification(body)
        given = _read_fields(body)
        relation = self.find(relation_id, external_id)
        if relation is not None:
            self._merge(relation, external_id, given, at)
            return Result(204)
        relation = Relation(len(self.by_id) + 1, external_id, {**_DEFAULTS, **given}, at)
        self.by_id[relation.id] = relation
        self._index(relation)
        self._changes.append((at, relation.id))
        return Result(201, relation.wire())

    def search(
        self, *, relation_id: int | None, external_id: int | None, name: str | None, vat_number: str | None
    ) -> list[Relation]:
        """Any relation that meets at least one of the conditions given, active or not."""
        found: set[int] = set()
        if relation_id is not None and relation_id in self.by_id:
            found.add(relation_id)
        if external_id and external_id in self._by_external:
            found.add(self._by_external[external_id].id)
        if name is not None:
            found |= self._by_name.get(name.casefold(), set())
        if vat_number is not None:
            found |= self._by_vat.get(plain_vat(vat_number), set())
        return [self.by_id[each] for each in sorted(found)]

    def active(self) -> list[Relation]:
        """All that are active, in order of their keys."""
        return [relation for relation in self.by_id.values() if relation.fields["active"]]

    def modified(self, since: float) -> list[Relation]:
        """Changed at or after a moment, each once."""
        start = bisect_left(self._changes, (since, 0))
        return [self.by_id[each] for each in dict.fromkeys(each for _, each in self._changes[start:])]

    def _merge(self, relation: Relation, external_id: int, given: Json, at: float) -> None:
        owner = self._by_external.get(external_id)
        if external_id and owner is not None and owner is not relation:
            raise Refused(
                400, codes.STORE_RELATION, f"External relation id {external_id} belongs to relation {owner.id}"
            )
        self._unindex(relation)
        relation.fields.update(given)
        relation.external_id = external_id or relation.external_id
        relation.modified = at
        self._index(relation)
        self._changes.append((at, relation.id))

    def _index(self, relation: Relation) -> None:
        if relation.external_id:
            self._by_external[relation.external_id] = relation
        if name := relation.fields["name"].casefold():
            self._by_name[name].add(relation.id)
        if vat := plain_vat(relation.fields["vatNr"]):
            self._by_vat[vat].add(relation.id)

    def _unindex(self, relation: Relation) -> None:
        self._by_external.pop(relation.external_id, None)
        self._by_name[relation.fields["name"].casefold()].discard(relation.id)
        self._by_vat[plain_vat(relation.fields["vatNr"])].discard(relation.id)


def read_identification(body: Json) -> tuple[int, int]:
    """Relation key and external id of `relationIdentificationServiceData`; 0 where missing."""
    identification = wire.mapping(body.get("relationIdentificationServiceData"))
    return wire.key(identification, "relationKey"), wire.integer(identification, "externalRelationId")


_READERS: dict[str, Any] = {
    **dict.fromkeys((*_TEXTS, *_COUNTRIES, *_OPTIONAL_TEXTS), wire.text),
    **dict.fromkeys((*_NUMBERS, *_OPTIONAL_NUMBERS), wire.integer),
    **dict.fromkeys((*_SWITCHES, "sddActive"), wire.boolean),
    "sddSignatureDate": wire.day,
}


def _read_fields(body: Json) -> Json:
    given = {name: _READERS[name](body, name) for name in body if name in _READERS and body[name] is not None}
    if "vatNr" in given:
        given["vatNr"] = printed_vat(given["vatNr"])
    for name in _COUNTRIES:
        if name in given:
            given[name] = given[name].strip() or "  "
    return given


def plain_vat(number: str) -> str:
    """Letters and digits only, in capitals."""
    return "".join(character for character in number.upper() if character.isalnum())


def printed_vat(number: str) -> str:
    """As the service shows it: BE0123.456.749, NL1234.56.782 B01; other countries as given."""
    plain = plain_vat(number)
    country, rest = plain[:2], plain[2:]
    if country == "BE" and len(rest) == 10 and rest.isdigit():
        return f"BE{rest[:4]}.{rest[4:7]}.{rest[7:]}"
    if country == "NL" and len(rest) == 12 and rest[9] == "B":
        return f"NL{rest[:4]}.{rest[4:6]}.{rest[6:9]} {rest[9:]}"
    return number
