"""Yuki (Netherlands and Belgium), and a sandbox that behaves as it does."""
