"""When the jobs of the core look. A look that finds nothing changes nothing, and most of the cost of a seed was that.

So one statement asks for all of them whether there may be something. What it asks is wider than what a job takes up,
and each of them looks once in a while in any case.
"""

LEFT_OUT = ("retention", "schedule", "replay", "alive", "attach", "audit", "mail", "webhooks", "webhook_log")
"""Of nights and months, of a database that went back in time, of files, and of what is read or told afterwards: none of
this happens in a seed."""
SLOWER, SLOWEST = 5, 8.0
"""How much more seldom than in production a job looks, and the seconds between two looks at most, if it is called."""
ANYWAY = 60.0
"""Seconds after which a job looks that is not called."""
IDLE = 10.0
"""Seconds between two questions while nothing happens."""

CALLED_JOBS = ("admit", "resume", "cancel", "replan", "lost", "settle", "events", "items", "ends", "accepted")
CALLED = """
SELECT EXISTS (SELECT FROM run WHERE state <> 'ended') AS open,
       EXISTS (SELECT FROM run WHERE state = 'active' AND window_no > admitted_no) AS admit,
       EXISTS (SELECT FROM run WHERE state = 'parked' AND parked_until <= now()) AS resume,
       EXISTS (SELECT FROM run WHERE state = 'cancelling') AS cancel,
       EXISTS (SELECT FROM run WHERE state IN ('requested', 'active') AND moved_at < now() - interval '15 s')
         AS replan,
       EXISTS (SELECT FROM run WHERE state = 'active' AND least(moved_at, published_at) < now() - interval '8 s')
         AS lost,
       EXISTS (SELECT FROM link WHERE state = 'intent' AND settle_due < now())
         OR EXISTS (SELECT FROM item WHERE state = 'to_settle')
         OR EXISTS (SELECT FROM series WHERE open_link IS NOT NULL)
         OR EXISTS (SELECT FROM run WHERE state = 'parked' AND park_reason IN ('settling', 'series')) AS settle,
       EXISTS (SELECT FROM item WHERE reported_at IS NULL AND outcome_at IS NOT NULL AND event IS NULL) AS events,
       EXISTS (SELECT FROM item WHERE reported_at IS NULL AND outcome_at < now() - interval '2 s') AS items,
       EXISTS (SELECT FROM run_event WHERE reported_at IS NULL) AS ends,
       EXISTS (SELECT FROM link WHERE accepted_token IS NOT NULL AND state IN ('accepted', 'needs_person')) AS accepted
"""
