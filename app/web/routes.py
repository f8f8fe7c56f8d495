"""Every URL of the browser's door, on one page: path, view, and who it is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request

from app.core.errors import Refusal
from app.web import (
    accounts,
    admin,
    admin_runs,
    brand,
    branding,
    contract_versions,
    contracts,
    customer_usage,
    customers,
    dashboard,
    dead_events,
    developer,
    docs,
    errors,
    event_page,
    events,
    fapiao,
    health,
    invoices,
    ledger,
    mailbox,
    metrics,
    price_editor,
    products,
    rate_cards,
    reminders,
    replays,
    settings,
    usage,
    usage_costs,
    webhooks,
)
from app.web.access import Access, guard

PUBLIC, MERCHANT, OPERATOR = Access.PUBLIC, Access.MERCHANT, Access.OPERATOR


@dataclass(frozen=True)
class Route:
    rule: str
    view: Callable[..., Any]
    access: Access
    name: str = ""
    method: str = "GET"

    @property
    def endpoint(self) -> str:
        return self.name or self.view.__name__


ROUTES = (
    Route("/", accounts.landing, PUBLIC),
    Route("/signup", accounts.signup, PUBLIC),
    Route("/signup", accounts.create_account, PUBLIC, method="POST"),
    Route("/signin", accounts.signin, PUBLIC),
    Route("/signin", accounts.create_session, PUBLIC, method="POST"),
    Route("/signout", accounts.signout, PUBLIC, method="POST"),
    Route("/language", accounts.set_language, PUBLIC, method="POST"),
    Route("/docs", docs.guide, PUBLIC, name="docs"),
    Route("/docs/reference", docs.api_reference, PUBLIC, name="docs_reference"),
    Route("/docs/<name>", docs.show, PUBLIC, name="docs_page"),
    Route("/merchant", dashboard.dashboard, MERCHANT),
    Route("/merchant/attention", dashboard.attention, MERCHANT),
    Route("/merchant/invoices", invoices.invoices, MERCHANT),
    Route("/merchant/invoices/run", invoices.run_invoicing, MERCHANT, method="POST"),
    Route("/merchant/invoices/upcoming", invoices.upcoming_invoices, MERCHANT),
    Route("/merchant/invoices/<invoice_id>", invoices.invoice, MERCHANT),
    Route("/merchant/invoices/<invoice_id>/void", invoices.void_invoice, MERCHANT, method="POST"),
    Route("/merchant/invoices/<invoice_id>/pdf", invoices.invoice_pdf, MERCHANT),
    Route(
        "/merchant/invoices/<invoice_id>/reminders",
        reminders.send_reminder,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/fapiao", fapiao.fapiao_requests, MERCHANT),
    Route("/merchant/fapiao/<fapiao_request_id>", fapiao.fapiao_request, MERCHANT),
    Route(
        "/merchant/fapiao/<fapiao_request_id>/issue", fapiao.issue_fapiao, MERCHANT, method="POST"
    ),
    Route(
        "/merchant/fapiao/<fapiao_request_id>/reject", fapiao.reject_fapiao, MERCHANT, method="POST"
    ),
    Route(
        "/merchant/fapiao/<fapiao_request_id>/request-red-letter",
        fapiao.request_red_letter,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/fapiao/<fapiao_request_id>/red-letter",
        fapiao.red_letter_fapiao,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/fapiao/<fapiao_request_id>/files/<part>", fapiao.fapiao_file, MERCHANT),
    Route("/merchant/usage", usage.usage, MERCHANT),
    Route("/merchant/usage/costs", usage_costs.usage_costs, MERCHANT),
    Route("/merchant/usage/events", events.usage_events, MERCHANT),
    Route("/merchant/usage/events/hours", events.events_by_hour, MERCHANT),
    Route("/merchant/usage/events/<event_id>", event_page.usage_event, MERCHANT),
    Route(
        "/merchant/usage/events/<event_id>/void",
        event_page.void_usage_event,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/usage/dead", dead_events.dead_events, MERCHANT),
    Route("/merchant/usage/dead/replay", dead_events.replay_dead_events, MERCHANT, method="POST"),
    Route("/merchant/usage/dead/discard", dead_events.discard_dead_events, MERCHANT, method="POST"),
    Route("/merchant/usage/dead/progress", dead_events.replay_progress, MERCHANT),
    Route("/merchant/usage/dead/<dead_event_id>", dead_events.dead_event, MERCHANT),
    Route(
        "/merchant/usage/dead/<dead_event_id>/replay",
        dead_events.replay_dead_event,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/usage/dead/<dead_event_id>/discard",
        dead_events.discard_dead_event,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/ledger", ledger.ledger, MERCHANT),
    Route("/merchant/webhooks", webhooks.webhooks, MERCHANT),
    Route("/merchant/webhooks", webhooks.register_webhook, MERCHANT, method="POST"),
    Route("/merchant/webhooks/deliveries/<delivery_id>", webhooks.webhook_delivery, MERCHANT),
    Route(
        "/merchant/webhooks/deliveries/<delivery_id>/resend",
        webhooks.resend_delivery,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/webhooks/<endpoint_id>", webhooks.webhook, MERCHANT),
    Route("/merchant/webhooks/<endpoint_id>", webhooks.change_webhook, MERCHANT, method="POST"),
    Route("/merchant/webhooks/<endpoint_id>/roll", webhooks.roll_webhook, MERCHANT, method="POST"),
    Route(
        "/merchant/webhooks/<endpoint_id>/disable",
        webhooks.disable_webhook,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/webhooks/<endpoint_id>/enable", webhooks.enable_webhook, MERCHANT, method="POST"
    ),
    Route(
        "/merchant/webhooks/<endpoint_id>/archive",
        webhooks.archive_webhook,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/mailbox", mailbox.mailbox, MERCHANT),
    Route("/merchant/mailbox/<mail_id>", mailbox.mail, MERCHANT),
    Route("/merchant/mailbox/<mail_id>/pdf", mailbox.mail_attachment, MERCHANT),
    Route("/merchant/customers", customers.index, MERCHANT, name="customers"),
    Route(
        "/merchant/customers",
        customers.create,
        MERCHANT,
        name="create_customer",
        method="POST",
    ),
    Route("/merchant/customers/<customer_id>", customers.show_customer, MERCHANT, name="customer"),
    Route("/merchant/customers/<customer_id>/costs", customer_usage.customer_costs, MERCHANT),
    Route(
        "/merchant/customers/<customer_id>",
        customers.update,
        MERCHANT,
        name="update_customer",
        method="POST",
    ),
    Route(
        "/merchant/customers/<customer_id>/archive",
        customers.archive,
        MERCHANT,
        name="archive_customer",
        method="POST",
    ),
    Route(
        "/merchant/customers/<customer_id>/restore",
        customers.restore,
        MERCHANT,
        name="restore_customer",
        method="POST",
    ),
    Route("/merchant/contracts", contracts.index, MERCHANT, name="contracts"),
    Route("/merchant/contracts/new", contracts.new, MERCHANT, name="new_contract"),
    Route(
        "/merchant/contracts/new",
        contracts.create,
        MERCHANT,
        name="create_contract",
        method="POST",
    ),
    Route("/merchant/contracts/<contract_id>", contracts.show_contract, MERCHANT, name="contract"),
    Route(
        "/merchant/contracts/<contract_id>/end",
        contracts.end,
        MERCHANT,
        name="end_contract",
        method="POST",
    ),
    Route(
        "/merchant/contracts/<contract_id>/version",
        contract_versions.schedule_contract,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/contracts/<contract_id>/version/cancel",
        contract_versions.cancel_contract_version,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/products", products.index, MERCHANT, name="products"),
    Route("/merchant/products", products.create, MERCHANT, name="create_product", method="POST"),
    Route("/merchant/products/<product_id>", products.show_product, MERCHANT, name="product"),
    Route(
        "/merchant/products/<product_id>",
        products.update,
        MERCHANT,
        name="update_product",
        method="POST",
    ),
    Route(
        "/merchant/products/<product_id>/archive",
        products.archive,
        MERCHANT,
        name="archive_product",
        method="POST",
    ),
    Route(
        "/merchant/products/<product_id>/restore",
        products.restore,
        MERCHANT,
        name="restore_product",
        method="POST",
    ),
    Route(
        "/merchant/products/<product_id>/rate-cards/new",
        price_editor.new,
        MERCHANT,
        name="new_rate_card",
    ),
    Route(
        "/merchant/products/<product_id>/rate-cards/new",
        price_editor.create,
        MERCHANT,
        name="create_rate_card",
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>",
        rate_cards.show_rate_card,
        MERCHANT,
        name="rate_card",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>",
        rate_cards.rename,
        MERCHANT,
        name="rename_rate_card",
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/edit",
        price_editor.edit,
        MERCHANT,
        name="edit_rate_card",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/edit",
        price_editor.change,
        MERCHANT,
        name="change_rate_card",
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/draft/publish",
        price_editor.publish_draft,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/draft/discard",
        price_editor.discard_draft,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/contracts",
        contract_versions.schedule_contracts,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/replays",
        replays.start_replay,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/replays/<replay_id>", replays.show_replay, MERCHANT, name="replay"),
    Route(
        "/merchant/rate-cards/<rate_card_id>/archive",
        rate_cards.archive,
        MERCHANT,
        name="archive_rate_card",
        method="POST",
    ),
    Route(
        "/merchant/rate-cards/<rate_card_id>/restore",
        rate_cards.restore,
        MERCHANT,
        name="restore_rate_card",
        method="POST",
    ),
    Route("/merchant/metrics", metrics.create_metric, MERCHANT, method="POST"),
    Route("/merchant/metrics/<metric_id>", metrics.show_metric, MERCHANT, name="metric"),
    Route("/merchant/metrics/<metric_id>", metrics.update_metric, MERCHANT, method="POST"),
    Route("/merchant/metrics/<metric_id>/archive", metrics.archive_metric, MERCHANT, method="POST"),
    Route("/merchant/metrics/<metric_id>/restore", metrics.restore_metric, MERCHANT, method="POST"),
    Route("/merchant/developer", developer.developer, MERCHANT),
    Route("/merchant/developer/new", developer.new_key, MERCHANT),
    Route("/merchant/developer/new", developer.create_key, MERCHANT, method="POST"),
    Route("/merchant/developer/<key_id>/revoke", developer.revoke_key, MERCHANT, method="POST"),
    Route("/merchant/settings", settings.settings, MERCHANT),
    Route("/merchant/settings", settings.update, MERCHANT, name="update_settings", method="POST"),
    Route("/merchant/settings/clock", settings.move_clock, MERCHANT, method="POST"),
    Route("/merchant/settings/reminders", reminders.show_reminders, MERCHANT),
    Route("/merchant/settings/reminders", reminders.save_reminders, MERCHANT, method="POST"),
    Route("/merchant/settings/branding", branding.show_branding, MERCHANT),
    Route("/merchant/settings/branding", branding.save_branding, MERCHANT, method="POST"),
    Route("/merchant/settings/branding/logo", branding.remove_logo, MERCHANT, method="POST"),
    Route("/brand/<merchant>/<sha256>.png", brand.brand_logo, PUBLIC),
    Route("/brand/<color>.css", brand.brand_color, PUBLIC),
    Route("/admin", admin.admin, OPERATOR),
    Route("/admin/runs", admin_runs.admin_runs, OPERATOR),
    Route("/admin/runs", admin_runs.run_invoices, OPERATOR, method="POST"),
    Route("/admin/failures", admin_runs.admin_failures, OPERATOR),
    Route(
        "/admin/failures/<merchant>/<subject>/retry",
        admin_runs.retry_failure,
        OPERATOR,
        method="POST",
    ),
    Route("/admin/jobs", admin.admin_jobs, OPERATOR),
    Route("/admin/outbox", admin.admin_outbox, OPERATOR),
    Route("/admin/outbox/<merchant>/<job_id>/revive", admin.revive_job, OPERATOR, method="POST"),
    Route("/healthz", health.healthz, PUBLIC),
    Route("/readyz", health.readyz, PUBLIC),
    Route("/metrics", health.metrics, PUBLIC),
)


def blueprint() -> Blueprint:
    """Return the door with every route behind its guard."""
    door = Blueprint("web", __name__)
    access = {}
    for route in ROUTES:
        access[f"web.{route.endpoint}"] = route.access
        door.add_url_rule(route.rule, route.endpoint, route.view, methods=[route.method])
    door.before_request(lambda: guard(access[str(request.endpoint)]))
    door.register_error_handler(Refusal, errors.answer_refusal)
    return door
