"""A server that behaves as the Octopus REST API v1, keeps books, and can be told to misbehave.

    sandbox = await start_sandbox()                 # a free port on 127.0.0.1
    sandbox.base_url, sandbox.credentials           # what a client needs
    sandbox.books.entries(1001), sandbox.books.ledger(1001)
    await sandbox.stop()

It is written from the reference alone and shares nothing with the plugin's client. State is in memory; with
`state_file` a sandbox that was killed and started again with the same options still has its books.

Options of `start_sandbox(host, port, **options)`
    dossiers        rows of dossier options (below); default: 1001 "Voorbeeld BV" alone
    years           first and last calendar year of the book years, such as (2010, 2027); default: the year before,
                    this year and the next on the sandbox's clock. Book years get ids 1, 2, 3 ... in that order
    periods         "quarter" (default), "month" or "year"
    vat_codes       rows {code, description, type, basePercentage, reverse, defaultSellBookingAccountNr}
    users           {user: password}; default: those of SAMPLE_CREDENTIALS
    software_house  the softwareHouseUuid that may log in
    limits          False lifts the daily maxima; `limit_answer` "429" (default), "403" or "400" (with code -51)
    state_file      path of the file that keeps the books
    seed            of the chance in faults; `keep_requests` how many calls are remembered (10,000)
    rules           `Rules(...)`: what the reference leaves open

Options of a dossier
    id, name, vat_number, language (nl, fr, en, de), years, first_month (2 to 12: broken book years), periods,
    vat_codes, accounts (rows {account, nl, fr, en, de, heading, vat_recovery, purchase, sales, cost_centre}),
    journals (rows {key, nl, fr, en, de, insertion_type, currency, account, last}), cost_centres (rows {id, nl, fr,
    en, de, closed}), currencies (the first is its own), disabled, hide_key, open_items_carried. What is left out is
    sample data, see `sample`.

Calls below `/_sandbox` (JSON; GET with query, POST with a body; amounts are text, exact to the cent; every one of
them is also a method of `sandbox.control` with the same arguments)
    GET  entries        ?dossier= &journal= &bookyear=   what is booked, with journal lines, VAT and attachments
    GET  ledger         ?dossier= [&bookyear=]           accounts with debit, credit, balance; "difference" is 0.00
    GET  relations      ?dossier=
    GET  requests       [?last=100 &operation= &dossier=]  calls with status and fault; no tokens, no bodies;
                        status null: never answered
    GET  status         {"sandbox": "octopus"}, by which a program knows that these are no real books, the operation
                        that books a document, kinds of faults; dossiers, clock, limits, faults that are on
    POST faults         {kind, operation, path, method, dossier, times, after, probability, seed, seconds, ...} switches
                        one on; {off: true} or {off: id} switches off; GET lists. Kinds:
                        latency (seconds) - timeout_before, timeout_after_commit (booked, then silence for `seconds`,
                        else an hour) - error_503_before, error_503_after (booked, then 503) - rate_limited (429;
                        `seconds` gives a Retry-After) - token_expired (401; the token is dead from then on) -
                        maintenance_page (HTML with status 200) - reset (RST before), reset_after_commit - slow_drip
                        (the answer over `seconds`) - wrong_body (`body`, else cut-off JSON, after it was booked) -
                        repeated (carried out twice, as by a gateway that repeats, and answered by the second time) -
                        answered_twice (the answer comes again on its connection after `seconds`, else 0.1) -
                        refuse_update (PUT of bookings: 400 with -35) - refuse (`code`, `status`: any refusal).
                        `operation` is an operationId such as insertBuySellBooking, `path` one below the base, such as
                        /dossiers/*/relations; both may have *. `times`: how often, `after`: calls let through first
    POST clock          {advance_seconds}; GET tells the time
    POST limits         {on, answer, retry_after, numbers: {operationId: maximum}, clear}; GET shows what is used.
                        The search of relations counts as getRelations:search
    POST reset          books, logins, faults and counts as at the start
    POST dossiers       a dossier's options, `copies`: n for many -> {ids}; {change: id, disabled, hide_key,
                        open_items_carried, name, language} for one that is there
    POST logins         {user, password, dossiers: [ids] or null, remove}; {software_house: true or false}
    POST bookyears      {dossier, add: 2028, journals: false}; {dossier, bookyear, closed, remove}
    POST journals       {dossier, journal, bookyear, closed, in_use, protected_period, closed_period,
                        insertion_type, next_number, create, name, remove}; without bookyear in all of them
    POST accounts       {dossier, bookyear, account, remove} or a row of a chart
    POST vat_codes, cost_centres   {dossier, ...} a row; {dossier, code, remove}
    POST book_by_hand   {dossier, journal, date, bookyear, amount, vat_code, account, relation, external_relation,
                        name, comment, reference, currency, rate, booking}: a person types a booking, which takes the
                        next number
    POST alter_by_hand  {dossier, journal, number, bookyear, amount, date, comment}
    POST delete_by_hand {dossier, journal, number, bookyear}: undoes a booking; the last number becomes free again
    POST pay            {dossier, journal, number, bookyear, amount, date, bank}: a booking in F1 tied to the document
    POST unpay          {dossier, journal, number, bookyear}

Where the reference is silent or unsure, the sandbox does this
    * Sums, credit notes, reverse charge, rates and signs: see `booking`.
    * A token that ended or is forged: 401 without a code; a token of another dossier: 401 with -6.
    * Everything of section 7 graded "inferred" has the status that the table of codes infers: 400, or 403 for a
      closed journal or one in use. PUT of a booking that is not there: 400 with -34.
    * A booking that is tied to a payment keeps relation and amount: PUT answers 400 with -35.
    * `modifiedTimeStamp` is Brussels time and means "at or after".
    * Amounts are rounded half up to the cent. VAT is not compared with the percentage of its code.
    * A search of relations without a hit is an empty list; VAT numbers are compared without punctuation.
    * Limits count every call with a good token, from midnight to midnight in Brussels; a restart forgets them.
"""

from .booking import Rules
from .server import SAMPLE_CREDENTIALS, Sandbox, start_sandbox

__all__ = ["SAMPLE_CREDENTIALS", "Rules", "Sandbox", "start_sandbox"]
