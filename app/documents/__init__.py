"""Documents people keep: the invoice as a PDF, printed once, stored once, verified when read."""
