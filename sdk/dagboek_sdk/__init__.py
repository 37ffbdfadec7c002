"""What the author of a Dagboek plugin needs.

Start with `accounting.AccountingPlugin` (a tool to book into) or `source.DocumentSource` (a place documents come
from), raise the errors of `errors`, speak HTTP through `http.Client`, and register with the hooks of `hooks`.
"""
