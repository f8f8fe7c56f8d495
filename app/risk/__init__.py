"""Limits, velocity and freezes: what of a payment is let through, and what waits for a person."""
