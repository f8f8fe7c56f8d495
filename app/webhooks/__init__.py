"""Us calling the merchant: event catalogue, signing, the address guard, delivery, replay."""
