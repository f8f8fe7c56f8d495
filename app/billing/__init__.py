"""What is owed: billing runs, invoices and their lines, amounts and numbers."""
