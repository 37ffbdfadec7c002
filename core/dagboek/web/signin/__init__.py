"""Who asks: people with passwords and sessions, one-time links, API keys, and the trail of who did what.

All of this is looked up by the service's own role, by exact keys: what a request then sees is its tenant's alone.
"""
