"""`dagboek demo`: everything on one machine, from nothing to a booked, balanced ledger and back to nothing running."""
