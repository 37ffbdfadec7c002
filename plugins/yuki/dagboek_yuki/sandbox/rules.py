"""What the reference leaves open, or tells in two ways: each as a setting with the reading that is held for likelier.

A plugin should get through all of them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """See the reference's section 17 and the marks `[?]` in it."""

    largest_request: int = 4 * 1024 * 1024
    """Bytes of a request; more is refused before it is read, as web servers of this kind do unless told otherwise."""
    day: str = "Europe/Amsterdam"
    """The time zone in which the day of the calls ends at midnight."""
    limit_status: int = 500
    """HTTP status of "Daily limit exceeded": 500 as all faults, or 429."""
    client_answer: str = "AuthenticateClient"
    """How the answer of AuthenticateClient is called: as the WSDL says, or "Authenticate" as an example shows it."""

    # Sales invoices
    stop_after: int = 6
    """Wrong invoices of a call after which the rest is skipped."""
    duplicate_scope: str = "all"
    """A processed invoice's number is taken in "all" years, or in the "year" of its date alone."""
    duplicate_text: str = "Er bestaat al een factuur met referentie {reference}"
    """The words for a number that is taken; the real ones are not known."""
    letters: str = "keep"
    """A number with letters: "keep" takes it as it is, "refuse" makes the invoice wrong, "strip" keeps the digits."""
    unknown_code: str = "nameless"
    """A contact code that nobody has, with the name of a contact: "name" takes that contact, "nameless" only when it
    has no code (which it gets), "create" always makes a new one."""
    address_needed: str = "country"
    """What a new contact must have: its "country", or a "full" address."""
    product_update: bool = False
    """Whether an invoice that names a product changes its price, VAT and ledger account (the older of two texts)."""
    line_amount: str = "given"
    """A line with LineAmount: "given" is booked as given, "computed" quantity times price is booked all the same,
    "equal" is booked when both are equal and else the invoice is wrong."""
    line_vat: str = "given"
    """A line with LineVATAmount: "given" within `vat_tolerance`, or "computed" from the rate all the same."""
    vat_tolerance: str = "0.05"
    """Euros by which LineVATAmount may differ from what the rate gives; more makes the invoice wrong."""
    draft_reference: str = "blank"
    """Reference of a draft in the answer: "blank" or "given"."""
    answer: str = "mixed"
    """The answer's inner elements: "mixed" have no namespace, "qualified" are in that of the answer; "text": the whole
    answer is escaped text inside the result."""
    newer_elements: bool = False
    """Whether the schema knows elements of which nobody says where they stand (SourceInvoiceReference, BuyerReference,
    InvoicePeriod; BIC, OIN and GLN of a contact): then they stand where the reference names them."""

    # Contacts
    contact_namespaces: tuple[str, ...] = ("urn:xmlns:http://www.theyukicompany.com:contact", "")
    """Namespaces that the document of UpdateContact may have; nobody is sure of the right one."""

    # Purchases
    booking_lag: float = 180
    """Seconds from an upload until somebody at Yuki has looked at it."""
    uploads: str = "book"
    """What that person does with a UBL invoice: "book", or "leave" it until it is booked by hand."""
    purchase_duplicates: str = "book"
    """A second purchase invoice of a supplier with the same number: "book" it again, or "refuse" (leave an upload)."""

    # Reading
    outstanding_lag: float = 0
    """Seconds from a booking or a payment until the lists of outstanding items show it."""
    blank_account: str = "all"
    """Transactions without a ledger account: of "all" accounts, or "none"."""
    first_record: int = 1
    """What `startRecord` counts from: 1 (then 0 is the first as well) or 0."""
    archive_dates: str = "created"
    """What startDate and endDate of the archive's lists mean: when a document was "created", or the "document"'s date.
    """
