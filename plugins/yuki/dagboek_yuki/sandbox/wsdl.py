"""The WSDL of a service: what the table says of the operations that the sandbox offers, in ASP.NET's four ports."""

from collections.abc import Iterable

from .forms import ELEMENTS, element_of, has_form
from .table import Field, Service, Signature
from .values import NAMESPACE

_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<wsdl:definitions xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
    ' xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:http="http://schemas.xmlsoap.org/wsdl/http/"'
    ' xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"'
    f' xmlns:tns="{NAMESPACE}" xmlns:s1="{NAMESPACE}AbstractTypes" targetNamespace="{NAMESPACE}">'
)
_ANY = '<s:complexType mixed="true"><s:sequence><s:any/></s:sequence></s:complexType>'
_STRING_ARRAY = (
    # The original derives it from an array of soapenc, which it does not say where to find.
    f'<s:schema targetNamespace="{NAMESPACE}AbstractTypes"><s:complexType name="StringArray"><s:sequence>'
    '<s:element minOccurs="0" maxOccurs="unbounded" name="String" type="s:string"/>'
    "</s:sequence></s:complexType></s:schema>"
)
_ACTION = 'transport="http://schemas.xmlsoap.org/soap/http"'


def wsdl(service: Service, offered: Iterable[str], address: str) -> bytes:
    """The document for a service at an address."""
    return _Writer(service, [service.operations[name] for name in service.operations if name in set(offered)]).document(
        address
    )


class _Writer:
    def __init__(self, service: Service, operations: list[Signature]) -> None:
        self.service = service
        self.operations = operations
        self.forms = [each for each in operations if has_form(service, each)]
        self.out: list[str] = []

    def document(self, address: str) -> bytes:
        put = self.out.append
        put(f'{_HEAD}<wsdl:types><s:schema elementFormDefault="qualified" targetNamespace="{NAMESPACE}">')
        for each in self.operations:
            self._element(each.name, each.params)
            self._element(f"{each.name}Response", () if each.result is None else (each.result,))
        self._types()
        self._bare_elements()
        put("</s:schema>")
        if any(field.kind == "bytes" for each in self.forms for field in each.params):
            put(_STRING_ARRAY)
        put("</wsdl:types>")
        self._messages()
        name = self.service.name
        self._port_type(f"{name}Soap", "Soap", self.operations)
        self._port_type(f"{name}HttpGet", "HttpGet", self.forms)
        self._port_type(f"{name}HttpPost", "HttpPost", self.forms)
        self._soap_binding("Soap", "soap")
        self._soap_binding("Soap12", "soap12")
        self._http_binding("HttpGet", "GET", "<http:urlEncoded/>")
        self._http_binding("HttpPost", "POST", '<mime:content type="application/x-www-form-urlencoded"/>')
        put(f'<wsdl:service name="{name}">')
        for port, prefix in (("Soap", "soap"), ("Soap12", "soap12"), ("HttpGet", "http"), ("HttpPost", "http")):
            put(f'<wsdl:port name="{name}{port}" binding="tns:{name}{port}">')
            put(f'<{prefix}:address location="{address}"/></wsdl:port>')
        put("</wsdl:service></wsdl:definitions>")
        return "".join(self.out).encode()

    def _element(self, name: str, fields: tuple[Field, ...]) -> None:
        self.out.append(f'<s:element name="{name}">{self._complex(fields)}</s:element>')

    def _complex(self, fields: tuple[Field, ...], name: str = "") -> str:
        named = f' name="{name}"' if name else ""
        if not fields:
            return f"<s:complexType{named}/>"
        inner = "".join(self._field(each) for each in fields if not each.attribute)
        attributes = "".join(f'<s:attribute name="{each.name}" type="s:string"/>' for each in fields if each.attribute)
        return f"<s:complexType{named}><s:sequence>{inner}</s:sequence>{attributes}</s:complexType>"

    def _field(self, field: Field) -> str:
        least = 1 if self.service.is_value(field) else 0
        start = f'<s:element minOccurs="{least}" maxOccurs="1" name="{field.name}"'
        if field.kind == "xml":
            return f"{start}>{_ANY}</s:element>"
        nillable = ' nillable="true"' if field.nillable else ""
        return f'{start}{nillable} type="{self._type(field)}"/>'

    def _type(self, field: Field) -> str:
        if field.many:
            return f"tns:ArrayOf{field.kind}"
        if field.kind in self.service.types or field.kind in self.service.enums:
            return f"tns:{field.kind}"
        return f"s:{ELEMENTS.get(field.kind, field.kind)}"

    def _types(self) -> None:
        """Types and enumerations that the operations use, each once."""
        service, seen = self.service, set[str]()
        waiting = [
            field for each in self.operations for field in (*each.params, *([each.result] if each.result else ()))
        ]
        for field in waiting:  # grows as types are met
            if field.many and f"[{field.kind}" not in seen:
                seen.add(f"[{field.kind}")
                self.out.append(
                    f'<s:complexType name="ArrayOf{field.kind}"><s:sequence><s:element minOccurs="0" '
                    f'maxOccurs="unbounded" name="{field.kind}" nillable="true" type="tns:{field.kind}"/>'
                    "</s:sequence></s:complexType>"
                )
            if field.kind in seen:
                continue
            seen.add(field.kind)
            if fields := service.types.get(field.kind):
                self.out.append(self._complex(fields, field.kind))
                waiting.extend(fields)
            elif values := service.enums.get(field.kind):
                rows = "".join(f'<s:enumeration value="{each}"/>' for each in values)
                self.out.append(
                    f'<s:simpleType name="{field.kind}"><s:restriction base="s:string">{rows}'
                    "</s:restriction></s:simpleType>"
                )

    def _bare_elements(self) -> None:
        """Results as the forms answer them."""
        seen = set[str]()
        for each in self.forms:
            name = element_of(self.service, each)
            if name is None or name in seen or each.result is None:
                continue
            seen.add(name)
            value = self.service.is_value(each.result) and not each.result.nillable
            nillable = "" if value else ' nillable="true"'
            self.out.append(f'<s:element name="{name}"{nillable} type="{self._type(each.result)}"/>')

    def _messages(self) -> None:
        put = self.out.append
        for each in self.operations:
            for way, element in (("In", each.name), ("Out", f"{each.name}Response")):
                put(f'<wsdl:message name="{each.name}Soap{way}">')
                put(f'<wsdl:part name="parameters" element="tns:{element}"/></wsdl:message>')
        for verb in ("HttpGet", "HttpPost"):
            for each in self.forms:
                parts = "".join(self._part(field) for field in each.params)
                put(f'<wsdl:message name="{each.name}{verb}In">{parts}</wsdl:message>')
                put(f'<wsdl:message name="{each.name}{verb}Out">{self._result_part(each)}</wsdl:message>')

    def _part(self, field: Field) -> str:
        return f'<wsdl:part name="{field.name}" type="{"s1:StringArray" if field.kind == "bytes" else "s:string"}"/>'

    def _result_part(self, signature: Signature) -> str:
        if signature.result is None:
            return ""
        name = element_of(self.service, signature)
        return '<wsdl:part name="Body"/>' if name is None else f'<wsdl:part name="Body" element="tns:{name}"/>'

    def _port_type(self, name: str, suffix: str, operations: list[Signature]) -> None:
        self.out.append(f'<wsdl:portType name="{name}">')
        for each in operations:
            self.out.append(
                f'<wsdl:operation name="{each.name}"><wsdl:input message="tns:{each.name}{suffix}In"/>'
                f'<wsdl:output message="tns:{each.name}{suffix}Out"/></wsdl:operation>'
            )
        self.out.append("</wsdl:portType>")

    def _soap_binding(self, suffix: str, prefix: str) -> None:
        name = self.service.name
        body = f'<{prefix}:body use="literal"/>'
        self.out.append(f'<wsdl:binding name="{name}{suffix}" type="tns:{name}Soap"><{prefix}:binding {_ACTION}/>')
        for each in self.operations:
            self.out.append(
                f'<wsdl:operation name="{each.name}"><{prefix}:operation soapAction="{NAMESPACE}{each.name}" '
                f'style="document"/><wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>'
            )
        self.out.append("</wsdl:binding>")

    def _http_binding(self, suffix: str, verb: str, given: str) -> None:
        name = self.service.name
        self.out.append(f'<wsdl:binding name="{name}{suffix}" type="tns:{name}{suffix}"><http:binding verb="{verb}"/>')
        for each in self.forms:
            result = (
                "" if each.result is None
                else '<mime:mimeXml part="Body"/>' if element_of(self.service, each)
                else '<mime:content part="Body" type="text/xml"/>'
            )  # fmt: skip
            self.out.append(
                f'<wsdl:operation name="{each.name}"><http:operation location="/{each.name}"/>'
                f"<wsdl:input>{given}</wsdl:input><wsdl:output>{result}</wsdl:output></wsdl:operation>"
            )
        self.out.append("</wsdl:binding>")
