"""A server that behaves as the Exact Online REST API, keeps books, and can be told to misbehave.

    sandbox = await start_sandbox()                 # a free port on 127.0.0.1
    sandbox.base_url, sandbox.credentials           # what a client needs; the address of start.exactonline.nl
    sandbox.books.entries(3100001), sandbox.books.ledger(3100001)
    await sandbox.stop()

It is written from the reference alone and shares nothing with the plugin's client. State is in memory; with
`state_file` a sandbox that was killed and started again with the same options still has its books and tokens.

What is served: `/api/oauth2/auth` and `/token`, `/api/v1/current/Me`, the resources in `catalogue` (those that a
bookkeeping client needs, with all fields of the reference in `fields`), users/UserHasRights, read/sync/Sync/
SyncTimestamp, /docs/SysAttachment.aspx. Not served: $metadata, webhooks, and all other resources (404).

Options of `start_sandbox(host, port, **options)`
    dossiers        rows of division options (below); default: 3100001 "Voorbeeld BV" alone, a Belgian company
    years           first and last year of the period-date table; default: the year before, this year and the next
    users           rows {name, full_name, email, language (nl, fr, en), divisions, current_division}
    client_id, client_secret, redirect_uris   of the app; redirect_uris None: any https address and any of this machine
    address         what addresses in answers begin with, where a gateway stands before it; default: where it listens
    limits          False lifts budgets and blocks; the times of tokens stay
    state_file      path of the file that keeps the books
    seed            of the chance in faults; `keep_requests` how many calls are remembered (10,000)
    rules           `Rules(...)`: what the reference leaves open

Options of a division
    id, name, country (BE or NL), currency, vat_number, years, sales_condition, purchase_condition (the company's own
    payment conditions; null: none), differences (an account that takes what does not add up), accounts (rows {code,
    name, type, vat, cost_centre, cost_unit, not_deductible, blocked}), vat_codes (rows {code, name, percentage, side,
    type, charged, eu, blocked, earlier}), journals (rows {code, name, type, account, currency, any_currency, any_rate,
    blocked}), conditions, cost_centres, cost_units, currencies. What is left out is sample data, see `sample`.

Calls below `/_sandbox` (JSON; GET with query, POST with a body; amounts are text, exact to the cent; every one of
them is also a method of `sandbox.control` with the same arguments; `dossier` is the division)
    GET  entries        ?dossier= &journal= &bookyear=   what is booked, with journal lines, VAT and attachments
    GET  ledger         ?dossier= [&bookyear=]           accounts with debit, credit, balance; "difference" is 0.00
    GET  relations, documents   ?dossier=
    GET  requests       [?last=100 &operation= &dossier=]  calls with status and fault; no tokens, no bodies;
                        status null: never answered; operation may have *
    GET  chains         token chains: app, user, when granted, whether ended
    GET  status         {"sandbox": "exact"}, by which a program knows that these are no real books, the operations
                        that book a document, kinds of faults that a client can be proof against (not repeated);
                        divisions, clock, limits, faults that are on
    POST faults         {kind, operation, path, method, dossier, times, after, probability, seed, seconds, ...} switches
                        one on; {off: true} or {off: id} switches off; GET lists. Kinds:
                        latency (seconds) - timeout_before, timeout_after_commit (booked, then silence for `seconds`,
                        else an hour) - error_503_before, error_503_after (booked, then 503) - rate_limited (429;
                        `seconds` gives a Retry-After and the headers of the minute) - token_expired (401; the token is
                        dead from then on) - maintenance_page (HTML with status 200) - redirect (to such a page) -
                        login_page ("Object moved") - reset (RST before), reset_after_commit - slow_drip (the answer
                        over `seconds`) - wrong_body (`body`, else cut-off JSON, after it was booked) - repeated
                        (carried out twice, as by a gateway that repeats, and answered by the second time) -
                        answered_twice (the answer comes again on its connection after `seconds`, else 0.1) -
                        refuse_update (PUT of entries: 500 "Reeds verwerkt") - refuse (`status`, `body`: the words).
                        `operation` is a resource and a method, such as SalesEntries.post, Accounts.get, Me.get, or
                        token, authorise; `path` one such as /api/v1/*/crm/Accounts; both may have *. `times`: how
                        often, `after`: calls let through first
    POST clock          {advance_seconds}; GET tells the time
    POST limits         {on, retry_after, clear}; GET shows what is used and blocked
    POST rules          fields of `Rules`; GET shows them
    POST browser        {user, answer, divisions}: who is at the browser, and whether they consent, refuse, or ask on a
                        page; which divisions they let the app see. GET shows it
    POST reset          books, users, apps, tokens, faults and counts as at the start
    POST dossiers       a division's options, `copies`: n for many -> {ids}; {change: id, licensed, blocking, status,
                        name, sales_condition, purchase_condition, differences} for one that is there
    POST logins         {user, full_name, email, language, active, divisions, current_division, end, remove}; `end`: all
                        tokens of the user end, as when a password is changed
    POST rights         {user, resource: "crm/Accounts", method, allowed}: 403 where it is not allowed
    POST apps           {client_id, client_secret, redirect_uris, scopes, minutely, daily, remove}
    POST bookyears      {dossier, add: 2028}; {dossier, year, period, journal, closed, remove}
    POST journals       {dossier, journal, name, type, account, currency, any_currency, any_rate, blocked, next_number,
                        year, remove}
    POST accounts, vat_codes, conditions, cost_centres   {dossier, ...} a row; {dossier, code, remove}
    POST relation       {dossier, ...} fields of crm/Accounts; with `code` a change, or {code, remove}
    POST book_by_hand   {dossier, journal, date, amount, vat_code, account, relation, name, comment, currency, rate,
                        document}: a person types an entry
    POST alter_by_hand  {dossier, journal, number, bookyear, amount, date, comment}; the amount is without VAT
    POST delete_by_hand {dossier, journal, number, bookyear}: undoes an entry; the last number becomes free again
    POST pay            {dossier, journal, number, bookyear, amount, date, bank}: an entry in a bank's journal, matched
    POST unpay          {dossier, journal, number, bookyear}

Where the reference is silent or unsure, the sandbox does what `Rules` says, and this
    * Scopes, rights, divisions: a bare 403 Forbidden; with a Reason header for what the reference names one for.
    * An expired access token: 401 without a body and a Reason header.
    * Texts may be as long as they like; the code of a relation has at most 18 digits.
    * Created and Modified are Amsterdam time; dates are midnight.
    * Calls that are answered 429, or have no access token, use up no budget. A restart forgets budgets and blocks.
    * GET and PUT of a row that is not there: 404; DELETE: 403. A method that a resource does not have: 405.
    * A key in the body of a new row is not heeded.
"""

from .rules import Rules
from .server import SAMPLE_CREDENTIALS, Sandbox, start_sandbox

__all__ = ["SAMPLE_CREDENTIALS", "Rules", "Sandbox", "start_sandbox"]
