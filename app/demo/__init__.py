"""`make demo`: three merchants and twelve months, made by the product's own flows.

`cast` says who there is and `prices` what they charge; `opening` signs them up; `seeding` lets
them live through their year on the sandbox's clock: `usage` is sent through the Python SDK,
invoices come to their ends in `paying`, and `busy_day` is today. `receiver` is the server that
their webhooks go to. Nothing here is imported by the product.
"""
