"""Refunds and disputes in words: how far they are, what is wrong, and what is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext as _

from app.channels.base import ChannelName
from app.payments.models import CaseReason
from app.payments.refund_models import DisputeStatus, Refund, RefundPurpose, RefundStatus


@dataclass(frozen=True)
class Advice:
    """What is to be known of a refund beyond its status, and what to do."""

    tone: str
    icon: str
    title: str
    text: str
    said: str = ""


def shown_status(status: RefundStatus | DisputeStatus) -> str:
    """Return the status as pages show it: some words are other things of an invoice."""
    shown: dict[str, str] = {
        RefundStatus.REQUESTED: "refund_requested",
        DisputeStatus.OPEN: "dispute_open",
    }
    return shown.get(status, status.value)


def statuses() -> dict[RefundStatus, str]:
    """Return what each status is called, in the order of a refund's life."""
    return {
        RefundStatus.REQUESTED: _("Waits for approval"),
        RefundStatus.SUBMITTED: _("Submitted"),
        RefundStatus.ABNORMAL: _("Needs action"),
        RefundStatus.SUCCEEDED: _("Succeeded"),
        RefundStatus.FAILED: _("Failed"),
        RefundStatus.REJECTED: _("Rejected"),
    }


def dispute_statuses() -> dict[DisputeStatus, str]:
    return {
        DisputeStatus.OPEN: _("Being decided"),
        DisputeStatus.WON: _("Won"),
        DisputeStatus.LOST: _("Lost"),
    }


def reasons_aside() -> dict[CaseReason, str]:
    """Return why money pays nothing, by the reason of its case."""
    return {
        CaseReason.AMOUNT_MISMATCH: _("another amount than we asked for"),
        CaseReason.INVOICE_NOT_PAYABLE: _("the invoice was not open"),
        CaseReason.SECOND_TRANSACTION: _("the order was paid twice"),
    }


def channels() -> list[tuple[str, str]]:
    """Return the channels to choose from."""
    names = {ChannelName.WECHAT: _("WeChat Pay"), ChannelName.ALIPAY: _("Alipay")}
    return [("", _("Every channel")), *((key.value, name) for key, name in names.items())]


def advice_of(refund: Refund) -> Advice | None:
    """Say what a refund waits for or why it ended; nothing of one that was paid."""
    said = refund.trouble
    if refund.status is RefundStatus.SUBMITTED and said:
        return Advice("warn", "hourglass", *_short(), said)
    words: Mapping[RefundStatus, Advice] = {
        RefundStatus.REQUESTED: Advice("info", "hourglass", *_waiting()),
        RefundStatus.SUBMITTED: Advice("info", "send", *_on_its_way()),
        RefundStatus.ABNORMAL: Advice("bad", "circle-alert", *_abnormal(), said),
        RefundStatus.FAILED: Advice("bad", "circle-alert", *_failed(refund), said),
        RefundStatus.REJECTED: Advice("bad", "ban", *_rejected(), said),
    }
    return words.get(refund.status)


def advice_to_operators(refund: Refund) -> Advice:
    """Say what an operator does about a refund that is stuck."""
    if refund.status is not RefundStatus.ABNORMAL:
        title = _("Our account at the channel holds too little")
        text = _("Fill it: the refund goes out by itself at the next question.")
        return Advice("warn", "wallet", title, text, refund.trouble)
    title = _("The channel can not complete it")
    if refund.channel is ChannelName.WECHAT:
        text = _(
            "On WeChat Pay’s merchant platform, under abnormal refunds, name another account of "
            "the payer, or pay it by hand from ours. We see the end of it by ourselves."
        )
    else:
        text = _("Ask the channel’s support for the end of it; we go on asking by ourselves.")
    return Advice("bad", "circle-alert", title, text, refund.trouble)


def _waiting() -> tuple[str, str]:
    return (
        _("It waits for our approval"),
        _("Nothing has moved yet. You need not do anything; its page shows what was decided."),
    )


def _on_its_way() -> tuple[str, str]:
    return (
        _("It is on its way"),
        _(
            "The money is set aside, and the channel is at it: seconds for a wallet, days for "
            "a card."
        ),
    )


def _short() -> tuple[str, str]:
    return (
        _("Our account at the channel holds too little at the moment"),
        _("The money is set aside and goes out by itself once we have filled the account."),
    )


def _abnormal() -> tuple[str, str]:
    return (
        _("The channel can not complete it"),
        _(
            "Usually the payer’s card is closed or frozen. Ask the payer for another account and "
            "write to us: we tell the channel where to pay. Until then the money stays set aside, "
            "and the channel is asked on."
        ),
    )


def _failed(refund: Refund) -> tuple[str, str]:
    if refund.purpose is RefundPurpose.SEND_BACK:
        return (
            _("The channel will not pay it"),
            _("The money is still put aside. We try again, or settle it with the payer."),
        )
    return (
        _("The channel will not pay it"),
        _(
            "What was set aside is yours again. Refund it once more, or settle it with the payer "
            "in another way."
        ),
    )


def _rejected() -> tuple[str, str]:
    return _("We did not approve it"), _(
        "Nothing has moved, and the amount may be asked for again."
    )
