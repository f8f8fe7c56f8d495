"""An operation that adds a product and then waits, or dies, as a test says."""

import threading

from app.api.operations import Api, Call
from app.api.v1.base import In, Out, camel
from app.identity.models import Scope
from app.pricing import products


class Door:
    """What the operation goes through after its work and before its answer."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.is_open = threading.Event()
        self.reset()

    def reset(self) -> None:
        self.entered.clear()
        self.is_open.set()
        self.crashes = 0

    def pass_through(self) -> None:
        self.entered.set()
        assert self.is_open.wait(20)
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("the process died here")


DOOR = Door()
API = Api("probe", prefix="/api/probe", spell=camel)


class ProbeIn(In):
    code: str


class ProbeOut(Out):
    code: str


@API.route("POST", "/products", scope=Scope.CATALOG_WRITE, tag="", body=ProbeIn, returns=ProbeOut)
def probe_product(call: Call, body: ProbeIn) -> ProbeOut:
    product = products.create_product(call.session, code=body.code, name="x", now=call.now)
    DOOR.pass_through()
    return ProbeOut(product.code)
