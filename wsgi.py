"""The web server's entry: `granian --interface wsgi wsgi:app`."""

from app.factory import create_app, spare_the_collector

app = create_app()
spare_the_collector()
