"""Audit: what we have booked in a period against what stands in the tool's books. It reads, and changes nothing."""
