"""The queue's door: worker, ticker, relay, and thin functions that may run twice.

PostgreSQL is the truth and the queue a doorbell: every job asks what is due and does that, so a
job that is lost, late or doubled costs seconds and changes nothing.
"""
