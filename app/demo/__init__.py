"""`make demo`: three merchants and twelve months, made by the product's own flows.

`cast` says who there is, `seeding` lets them live through their year on the sandbox's clock, and
`receiver` is the server that their webhooks go to. Nothing here is imported by the product.
"""
