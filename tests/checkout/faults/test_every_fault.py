"""No switch of the simulator is left out of these tests; statements have tests of their own."""

from pathlib import Path

from app.simulator.faults import Kind, Stage


def test_every_fault_of_a_call_a_notice_a_payment_or_a_refund_is_tried() -> None:
    text = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("*.py")))

    tried = {kind for kind in Kind if f'"{kind}"' in text}

    assert tried == {kind for kind in Kind if kind.stage is not Stage.STATEMENT}
