"""The payment channels' real wire protocols: sign, ask, verify. Knows none of our tables."""
