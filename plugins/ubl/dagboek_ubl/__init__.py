"""A folder of UBL invoices and credit notes as a source of documents."""
