"""HTTP to this machine, as tests speak it."""

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""As `verify=` of httpx: else each call reads all certificates, which takes longer than itself."""
