"""The URLs of an invoice's life by hand: written, corrected, given up, issued anew; balances."""

from app.web import balances, credit_notes, invoice_actions, one_offs
from app.web.route import MERCHANT, Route

LIFE_ROUTES = (
    Route("/merchant/invoices/new", one_offs.new_invoice, MERCHANT),
    Route("/merchant/invoices/new", one_offs.create_invoice, MERCHANT, method="POST"),
    Route("/merchant/invoices/<invoice_id>/edit", one_offs.edit_invoice, MERCHANT),
    Route(
        "/merchant/invoices/<invoice_id>/edit", one_offs.replace_invoice, MERCHANT, method="POST"
    ),
    Route(
        "/merchant/invoices/<invoice_id>/finalize",
        invoice_actions.finalize_invoice,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/invoices/<invoice_id>/discard",
        invoice_actions.discard_invoice,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/invoices/<invoice_id>/give-up",
        invoice_actions.give_up_invoice,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/invoices/<invoice_id>/reissue",
        invoice_actions.reissue_invoice,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/invoices/<invoice_id>/credit", credit_notes.credit_invoice, MERCHANT),
    Route(
        "/merchant/invoices/<invoice_id>/credit",
        credit_notes.create_credit_note,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/credit-notes", credit_notes.credit_notes_index, MERCHANT, name="credit_notes"),
    Route("/merchant/credit-notes/<credit_note_id>", credit_notes.credit_note, MERCHANT),
    Route("/merchant/customers/<customer_id>/balance", balances.customer_balance, MERCHANT),
    Route(
        "/merchant/customers/<customer_id>/balance",
        balances.adjust_balance,
        MERCHANT,
        method="POST",
    ),
)
