"""`make demo`: three merchants and twelve months, made by the product's own flows.

`cast` says who there is, in the words of `roles`, and `prices` what they charge; `opening` signs
them up; `seeding` lets them live through their year on the sandbox's clock: `usage` is sent
through the Python SDK, invoices come to their ends in `paying`, what is done about them later is
in `deeds` and `papers`, and `desks` and `busy_day` are today. `receiver` is the server that their
webhooks go to. Nothing here is imported by the product.
"""
