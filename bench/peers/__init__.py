"""What one would write by hand instead: Kafka in, one HTTP call a document, results out, offsets committed in order.

No push record: at least once, and after a crash whatever was not committed is booked again.
"""
