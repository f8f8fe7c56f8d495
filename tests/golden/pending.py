"""What the cases need and the product does not have yet, as `op` or `op/model`."""

PENDING = frozenset(
    {
        "burn_order",
        "burn_reverse",
        "burn_scoped",
        "chain",
        "channel_fee",
        "consume_policy",
        "credit_note_total",
        "credit_settlement/invoice_only",
        "credit_timeline",
        "credits_to_money",
        "grant_proration",
        "grant_reset",
        "pack_recognition",
        "pack_refund",
        "pack_unit_cost",
        "payout_fee",
        "payout_return",
        "plan_change",
        "plan_change_lines",
        "rollover_units",
        "running_balance",
        "seat_change",
        "trial_paid_from",
    }
)
