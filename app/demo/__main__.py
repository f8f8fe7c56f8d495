"""`python -m app.demo WEBHOOK_PORT URL`: make the demo's data, once, in the instance at URL."""

import sys

from app.demo import seeding, signins
from app.demo.cast import ADMINS, COMPANIES
from app.demo.opening import Stage
from app.extensions import runtime
from app.factory import create_app


def main(webhook_port: int, url: str) -> None:
    app = create_app()
    with app.app_context():
        passwords = signins.keep(runtime().settings.instance_dir)
        admins = [seeding.open_admin(email, passwords[email]) for email in ADMINS]
        stage = Stage(url, webhook_port, admins[0])
        for company in COMPANIES:
            seeding.seed_company(company, passwords[company.email], stage)
            print(f"{company.name} is up to date", flush=True)  # noqa: T201  # the supervisor shows it


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
