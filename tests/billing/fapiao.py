"""Fapiao to test with: an issuer's files, a buyer's details, the request of a paid invoice."""

import io
import zipfile

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
XML = "<?xml version='1.0' encoding='UTF-8'?><EInvoice>发票</EInvoice>".encode()


def packed(*names: str) -> bytes:
    """Return a package that holds files of these names."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for name in names:
            package.writestr(name, f"<{name}/>")
    return content.getvalue()
