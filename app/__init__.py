"""BuffMoney: one revenue chain, from the first metered call to the wire in the merchant's bank.

Money flows right, imports point left:

    identity → ledger | webhooks → fx → pricing → customers → credits → metering → billing
             → risk | channels → payments → reconciliation → settlement

Those packages are rooms: they know no web framework, no queue and no settings. The doors
(`api web checkout portal callbacks simulator cli`, and `jobs/` beside this package) know those,
import rooms, and never each other. `docs/architecture.md` is the map.
"""
