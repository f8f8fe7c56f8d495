"""Company, merchant, users, roles, sign-in, API keys: who is who."""
