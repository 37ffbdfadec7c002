"""A server that behaves as Yuki's SOAP services, keeps books, and can be told to misbehave.

    sandbox = await start_sandbox()                 # a free port on 127.0.0.1
    sandbox.base_url, sandbox.credentials           # what a client needs; in place of https://api.yukiworks.nl (or .be)
    sandbox.base_urls["be"]                         # the other country's host, where a key of the first is invalid
    await sandbox.stop()

It is written from the reference alone and shares nothing with the plugin's client. State is in memory; with
`state_file` a sandbox that was killed and started again with the same options still has its books and keys. Sessions
and the calls of the day end with the server.

What is served: `/nl/ws/<Service>.asmx` and `/be/ws/<Service>.asmx` in any case: SOAP 1.1 and 1.2, forms by GET and POST
at `.../<Operation>`, `?WSDL`, a page. The operations are those in `operations`; what else `services.txt` names answers
a fault that says so. Not served: /docs/Upload.aspx.

Options of `start_sandbox(host, port, **options)`
    site            be (when it is left out) or nl: the country of domains that do not say
    domains         rows {id, name, site, calls_a_day, active, modules}; default: "Voorbeeld" alone
    dossiers        rows of administration options (below); default: "Voorbeeld BV" alone, in the first domain
    years           first and last book year of those that do not say
    keys            rows {key, site, rights, domains, administrations, active}; site left out: that of the first domain,
                    domains or administrations: all of the site, rights: all in `access.RIGHTS`
    clients         client ids with their secrets, as AuthenticateClient wants them
    address         what addresses in answers begin with, where a gateway stands before it; default: where it listens
    limits          False lifts the limit of calls
    state_file      path of the file that keeps the books
    seed            of the chance in faults; `keep_requests` how many calls are remembered (10,000)
    rules           `Rules(...)`: what the reference leaves open

Options of an administration
    id, name, domain, country (NL or BE; default: its site's), vat_number, coc_number, customer_code, closed_before,
    accounts (rows {code, kind, name or nl, fr, en, enabled, deductible}; kinds in `sample.KINDS`), vat_codes (rows
    {type, percentage, country, start, end, description}), currencies (euros by code), price_lists (currencies by name),
    roles (accounts by use, see `sample.ROLES`). They add to sample data, see `sample`; with `bare` there is none.

What becomes of documents
    * Sales: `sales`; purchases: `purchases`; uploads, which somebody books later: `uploads`. Contacts and the archive
      are the domain's, products the administration's.
    * Books go by calendar years, which are all there; there are no journals and no projects.

Calls below `/_sandbox` (JSON; GET with query, POST with a body; amounts are text, exact to the cent; every one of
them is also a method of `sandbox.control` with the same arguments; `dossier` is the administration's id)
    GET  entries        ?dossier= [&journal=V, I, B or M &bookyear=]   documents that are booked with postings, VAT and
                        attachments, in the order in which they were delivered; bank (B) and general (M) when asked for
    GET  ledger         ?dossier= [&bookyear=]   accounts with debit, credit, balance; "difference" is 0.00
    GET  relations      ?dossier=   contacts that the administration's documents made
    GET  documents      ?dossier=   the archive: files, the entry of each, whether it waits, why it was left
    GET  drafts         ?dossier=   sales invoices that wait to be sent from Yuki
    GET  requests       [?last=100 &operation= &dossier=]  calls with status and fault; no keys, no bodies; status null:
                        never answered; operation may have *
    GET  sessions       the open ones: domain, language, rights, when they end; no ids
    GET  status         {"sandbox": "yuki"}, by which a program knows that these are no real books, the operations
                        that book a document, kinds of faults that a client can be proof against (not repeated);
                        administrations, clock, limits, faults that are on
    POST faults         {kind, operation, path, method, dossier, times, after, probability, seed, seconds, ...} switches
                        one on; {off: true} or {off: id} switches off; GET lists. Kinds:
                        latency (seconds) - timeout_before, timeout_after_commit (booked, then silence for `seconds`,
                        else an hour) - error_503_before, error_503_after (booked, then 503) - bad_gateway (502) -
                        rate_limited ("Daily limit exceeded"; `seconds` gives a Retry-After) - token_expired (the
                        session is at an end from then on) - maintenance_page (HTML with status 200) - html_fault (a
                        fault that is an HTML page with status 500; `body`), html_fault_after (the same, after it was
                        booked) - reset (RST before), reset_after_commit - half_batch (the first half of the documents
                        of a call are booked, then RST) - slow_drip (the answer over `seconds`) - wrong_body (`body`,
                        else XML that is cut off, after it was booked) - empty_body (200 and nothing, after it was
                        booked) - wrong_namespace (the answer in another one, after it was booked) - repeated (carried
                        out twice, as by a gateway that repeats, and answered by the second time) - answered_twice (the
                        answer comes again on its connection after `seconds`, else 0.1) - refuse_update (UpdateContact
                        alone) - refuse (`body`: the words, `status`).
                        `operation` is a service and an operation, such as Sales.ProcessSalesInvoices, Sales.wsdl;
                        `path` one such as /ws/Sales.asmx; both may have *. `times`: how often, `after`: calls let
                        through first
    POST clock          {advance_seconds}; GET tells the time
    POST limits         {on, clear, domain, used}: `used` sets how many calls a domain has made today; GET shows for
                        each domain calls_a_day, used, left, and how many were refused
    POST rules          fields of `Rules`; GET shows them
    POST reset          books, keys, sessions, faults and counts as at the start
    POST domains        a row as above -> {id}; {change: id or name, calls_a_day, active, modules} for one that is there
    POST dossiers       an administration's options -> {ids}; `domain`: the id or name of one, made when it is not
                        there; `copies`: n for many, without a domain four each in new ones; {change: id, active, name,
                        customer_code} for one that is there
    POST keys           a row as above (key left out: one is made) -> {key}; a key that is there is changed, its
                        sessions with it
    POST clients        {client_id, client_secret, remove}
    POST close          {dossier, before: "2026-01-01" or null}: what is dated before can be neither booked nor changed
    POST accounts       {dossier, code, kind, name, nl, fr, en, enabled, deductible, remove}
    POST vat_codes      {dossier, type, percentage, country, start, end, description, remove}: one of the same type,
                        percentage and country is replaced
    POST currencies     {dossier, code, rate}: euros for one unit; without a rate it is not known any more
    POST products       {dossier, description, account, price, percentage, vat_type}: somebody typed one in
    POST refuse_invoices   {dossier, references, message, off}: invoices with these references are wrong
    POST relation       {dossier, id or code, name, type, new_code, active, customer, supplier, ...fields}
    POST book_by_hand   {dossier, number, date, amount, vat_type, percentage, account, name, code, purchase, currency}
    POST alter_by_hand  {dossier, id or number and purchase, new_number, date, amount, account}
    POST delete_by_hand {dossier, id or number and purchase}
    POST pay            {dossier, id or number and purchase, amount, date}: all that is open, today, where left out
    POST unpay          {dossier, id or number and purchase}
    POST handle_upload  {dossier, id, account, left}: somebody looks at an upload now; with {name, number, date, amount,
                        vat_type, percentage} they type it over from a page

Where the reference is silent or unsure, the sandbox does what `Rules` says, and this
    * VAT types of purchases but 5, kinds of ledger accounts and numbers of payment methods are its own, see `sample`.
    * An element that a schema does not name, stands at another place or is empty faults the call; texts have no
      length where the reference gives none.
    * A sale that is paid at once (card, cash, iDEAL, Online) is owed on another account than debtors, and never open.
    * A contact that is found keeps its name, type and VAT number; what is blank is filled.
    * Amounts of foreign documents are in euros by the administration's rates; the other party's takes the rounding.
    * Open amounts are above zero for invoices on both sides.
    * Texts that are not known are the sandbox's own: those of an ended session, a missing right, an unknown
      administration, domain or language, a wrong client secret.
    * An administration or domain that is not there, or not in the key's reach: a fault.
    * A call counts for the session's domain, `Authenticate` for the one that it opens, also when it is refused for what
      it asks. Calls with no session, and those that are refused for the limit, do not count.
    * A session begins in the first domain of its key, in the language of the site.
    * A wrong value faults the call before anything is looked at, the session too.
    * SOAP 1.2 faults have status 500 as well.
"""

from .rules import Rules
from .server import SAMPLE_CREDENTIALS, Sandbox, start_sandbox

__all__ = ["SAMPLE_CREDENTIALS", "Rules", "Sandbox", "start_sandbox"]
