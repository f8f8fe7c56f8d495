"""Journals (all accounting policy), posting (the only door in), balances (always derived)."""
