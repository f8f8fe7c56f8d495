"""What a currency is worth in CNY: midpoints, the rate an invoice locks, and conversion by it."""
