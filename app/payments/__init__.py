"""Opening, capture, closing and healing of payment orders."""
