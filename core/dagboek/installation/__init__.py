"""What operators see of the whole installation: over all tenants, and of none of them a document (decision 0031)."""
