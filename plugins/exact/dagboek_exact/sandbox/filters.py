"""`$filter`: read into a test of a row.

Known are eq ne gt ge lt le, and, or, brackets, startswith, substringof, trim, and literals of text, guid, datetime,
numbers, booleans and null. Two fields cannot be compared, and a collection cannot be filtered on. As in a database,
null is unequal to everything but null, and blanks at the end of a text do not count.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from .edm import read_time
from .refusal import UNSUPPORTED_FILTER, Refused, bad_query

Values = Callable[[str], Any]
"""The value of a field of the row at hand."""
Test = Callable[[Values], bool]

_TOKENS = re.compile(
    r"""\s*(?:
      (?P<guid>guid'(?P<guid_value>[^']*)')
    | (?P<time>datetime'(?P<time_value>[^']*)')
    | (?P<text>'(?P<text_value>(?:[^']|'')*)')
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[LlMmDdFf]?)(?![\w'])
    | (?P<word>[A-Za-z_]\w*(?:/\w+)*)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_FUNCTIONS = {"startswith": 2, "substringof": 2, "trim": 1}
_NUMBERS = ("double", "int16", "int32", "int64", "byte")


class _Token(NamedTuple):
    kind: str
    text: str


class _Operand(NamedTuple):
    """A part of a comparison; `field` is the field that it rests on, if any."""

    kind: str
    value: Callable[[Values], Any]
    field: str | None


def read(text: str, fields: Mapping[str, str], *, date_only: bool = True) -> tuple[Test, frozenset[str]]:
    """The test, and the fields that it looks at; `fields` has the kind of each. Raises Refused (400)."""
    if not text.strip():
        raise bad_query(UNSUPPORTED_FILTER)
    reader = _Reader(_tokens(text), fields, date_only)
    test = reader.either()
    reader.expect_end()
    return test, frozenset(reader.used)


def literal(text: str) -> Any:
    """One literal, such as the key in an address; raises Refused (400)."""
    reader = _Reader(_tokens(text), {}, date_only=True)
    value = reader.operand().value(_no_fields)
    reader.expect_end()
    return value


def _no_fields(name: str) -> Any:
    raise bad_query()


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            raise bad_query()
        kind = str(match.lastgroup).removesuffix("_value")
        inner = match.groupdict().get(f"{kind}_value")
        found.append(_Token(kind, inner if inner is not None else match[kind]))
        place = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[_Token], fields: Mapping[str, str], date_only: bool) -> None:
        self.used: set[str] = set()
        self._tokens = tokens
        self._place = 0
        self._fields = fields
        self._date_only = date_only

    def either(self) -> Test:
        """Tests joined by `or`."""
        tests = [self._both()]
        while self._word("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def operand(self) -> _Operand:
        """A literal, a field or a function."""
        token = self._take()
        match token.kind:
            case "text":
                return _constant("text", token.text.replace("''", "'"))
            case "guid":
                return _constant("guid", _converted(UUID, token.text))
            case "time":
                if not self._date_only and "T" not in token.text:
                    raise bad_query()
                return _constant("time", _converted(read_time, token.text))
            case "number":
                return _constant("number", Decimal(token.text.rstrip("LlMmDdFf")))
            case "word":
                return self._named(token.text)
        raise bad_query()

    def expect_end(self) -> None:
        """Raises Refused when something is left."""
        if self._place != len(self._tokens):
            raise bad_query()

    def _both(self) -> Test:
        tests = [self._one()]
        while self._word("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._mark("("):
            test = self.either()
            if not self._mark(")"):
                raise bad_query()
            return test
        left = self.operand()
        word = self._peek_word()
        if word in _COMPARISONS:
            self._place += 1
            return _comparison(str(word), left, self.operand())
        if left.kind != "bool":
            raise bad_query()
        return lambda row: left.value(row) is True

    def _named(self, name: str) -> _Operand:
        if name in ("true", "false"):
            return _constant("bool", name == "true")
        if name == "null":
            return _constant("null", None)
        if name in _FUNCTIONS and self._mark("("):
            return self._function(name)
        kind = self._fields.get(name)
        if kind is None:
            # A field of a collection is none of the row.
            raise Refused(400, UNSUPPORTED_FILTER) if name.partition("/")[0] in self._fields else bad_query()
        if kind.startswith(">"):
            raise bad_query(UNSUPPORTED_FILTER)
        self.used.add(name)
        return _Operand("number" if kind in _NUMBERS else kind, lambda row: row(name), name)

    def _function(self, name: str) -> _Operand:
        parts = [self.operand()]
        while self._mark(","):
            parts.append(self.operand())
        if not self._mark(")") or len(parts) != _FUNCTIONS[name] or any(part.kind != "text" for part in parts):
            raise bad_query()
        field = next((part.field for part in parts if part.field), None)
        if name == "trim":
            return _Operand("text", lambda row: (parts[0].value(row) or "").strip(), field)
        # The order of the arguments differs between the two.
        whole, part = parts if name == "startswith" else (parts[1], parts[0])
        return _Operand("bool", _contains(whole, part, at_start=name == "startswith"), field)

    def _take(self) -> _Token:
        if self._place >= len(self._tokens):
            raise bad_query()
        self._place += 1
        return self._tokens[self._place - 1]

    def _peek_word(self) -> str | None:
        if self._place < len(self._tokens) and self._tokens[self._place].kind == "word":
            return self._tokens[self._place].text
        return None

    def _word(self, word: str) -> bool:
        if self._peek_word() != word:
            return False
        self._place += 1
        return True

    def _mark(self, mark: str) -> bool:
        if self._place < len(self._tokens) and self._tokens[self._place] == ("mark", mark):
            self._place += 1
            return True
        return False


def _constant(kind: str, value: Any) -> _Operand:
    return _Operand(kind, lambda row: value, None)


def _converted(convert: Callable[[str], Any], text: str) -> Any:
    try:
        return convert(text)
    except (ValueError, TypeError):
        raise bad_query() from None


def _contains(whole: _Operand, part: _Operand, *, at_start: bool) -> Callable[[Values], bool]:
    def test(row: Values) -> bool:
        text, wanted = whole.value(row) or "", part.value(row) or ""
        return text.startswith(wanted) if at_start else wanted in text

    return test


def _comparison(operator: str, left: _Operand, right: _Operand) -> Test:
    if left.field and right.field:
        raise bad_query(UNSUPPORTED_FILTER)
    if left.kind != right.kind and "null" not in (left.kind, right.kind):
        raise bad_query()
    if operator not in ("eq", "ne") and "null" in (left.kind, right.kind):
        raise bad_query()
    compare = _COMPARE[operator]

    def test(row: Values) -> bool:
        one, two = _comparable(left.value(row)), _comparable(right.value(row))
        if one is None or two is None:
            same = one is None and two is None
            return same if operator == "eq" else not same if operator == "ne" else False
        return compare(one, two)

    return test


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return value.rstrip()
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda one, two: one == two,
    "ne": lambda one, two: one != two,
    "gt": lambda one, two: one > two,
    "ge": lambda one, two: one >= two,
    "lt": lambda one, two: one < two,
    "le": lambda one, two: one <= two,
}
