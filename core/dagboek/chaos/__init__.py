"""`dagboek chaos`: the proof that nothing is lost and nothing is booked twice, for everybody to run.

It has documents of its own booked into a sandbox while it kills processes and makes the tool misbehave, and compares
the sandbox's own books with what was asked for, with the database and with the results topic.
"""
