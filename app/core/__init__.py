"""What knows no domain: money, states, errors, ids, clock, periods, paging, crypto, the outbox."""
