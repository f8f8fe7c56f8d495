"""`python -m app.demo WEBHOOK_PORT`: make the demo's data, once, in the running instance."""

import sys

from app.demo import seeding, signins
from app.demo.cast import ADMINS, COMPANIES
from app.extensions import runtime
from app.factory import create_app


def main(webhook_port: int) -> None:
    app = create_app()
    with app.app_context():
        passwords = signins.keep(runtime().settings.instance_dir)
        for email in ADMINS:
            seeding.open_admin(email, passwords[email])
        for company in COMPANIES:
            seeding.seed_company(company, passwords[company.email], webhook_port=webhook_port)
            print(f"{company.name} is up to date", flush=True)  # noqa: T201  # the supervisor shows it


if __name__ == "__main__":
    main(int(sys.argv[1]))
