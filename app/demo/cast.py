"""Who there is in the demo: merchants, what they sell, to whom, and how those pay."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.core.money import Currency
from app.core.periods import Cycle

ADMINS = ("ada@buffmoney.example", "lin@buffmoney.example")
MONTHS = 12


class Ending(StrEnum):
    """What becomes of an issued invoice."""

    PAID = "paid"
    OPEN = "open"
    VOID = "void"
    WRONG_AMOUNT = "wrong_amount"  # paid, but not what was asked for


@dataclass(frozen=True)
class Buyer:
    """A customer on contract for `months`.

    `endings` says by how many months ago a period began what its invoice comes to; the others
    are paid.
    """

    external_id: str
    name: str
    email: str
    months: int
    size: int  # per cent of the merchant's usual customer
    pays_after: int  # days
    language: str = "zh_Hans_CN"
    cycle: Cycle = Cycle.MONTHLY_CALENDAR
    endings: Mapping[int, Ending] = field(default_factory=dict)


@dataclass(frozen=True)
class Company:
    """A merchant. `daily` is what its usual customer uses in a day, by metric."""

    name: str
    email: str
    settles_in: Currency
    sells_in: Currency
    product: tuple[str, str]
    prices: list[dict[str, Any]]
    daily: Mapping[str, int]
    buyers: tuple[Buyer, ...]


COMPANIES = (
    Company(
        name="Lumen AI",
        email="owner@lumen.example",
        settles_in=Currency.USD,
        sells_in=Currency.USD,
        product=("chat_api", "Chat API"),
        prices=[
            {"metric": "tokens_input", "model": "standard", "unit_price": "0.0003"},
            {
                "metric": "tokens_output",
                "model": "graduated",
                "tiers": [
                    {"up_to": "20000000", "unit_price": "0.0012", "flat_fee": "0"},
                    {"up_to": None, "unit_price": "0.0009", "flat_fee": "0"},
                ],
            },
            {
                "metric": "agent_runs",
                "model": "standard",
                "unit_price": "1",
                "free_units": "1000",
            },
        ],
        daily={"tokens_input": 2_400_000, "tokens_output": 900_000, "agent_runs": 160},
        buyers=(
            Buyer(
                "user_42",
                "上海智谱星图信息科技有限公司",
                "finance@xingtu.example",
                months=12,
                size=100,
                pays_after=3,
                endings={4: Ending.VOID},
            ),
            Buyer(
                "user_77",
                "杭州云帆数据有限公司",
                "ap@yunfan.example",
                months=8,
                size=45,
                pays_after=11,
                endings={1: Ending.OPEN, 2: Ending.OPEN},
            ),
            Buyer(
                "user_108",
                "Orchid Robotics (Shenzhen) Ltd.",
                "billing@orchid.example",
                months=12,
                size=30,
                pays_after=1,
                language="en",
                cycle=Cycle.MONTHLY_ANNIVERSARY,
            ),
        ),
    ),
    Company(
        name="青禾科技 Qinghe",
        email="owner@qinghe.example",
        settles_in=Currency.HKD,
        sells_in=Currency.CNY,
        product=("vision", "青禾视觉"),
        prices=[
            {"metric": "images", "model": "standard", "unit_price": "8", "free_units": "200"},
            {"metric": "storage_gb", "model": "standard", "unit_price": "35"},
        ],
        daily={"images": 640, "storage_gb": 180},
        buyers=(
            Buyer(
                "qh-001",
                "北京晨光广告传媒有限公司",
                "caiwu@chenguang.example",
                months=12,
                size=100,
                pays_after=6,
                endings={6: Ending.VOID},
            ),
            Buyer(
                "qh-002",
                "成都锦里文化创意有限公司",
                "caiwu@jinli.example",
                months=6,
                size=60,
                pays_after=12,
                endings={1: Ending.OPEN},
            ),
        ),
    ),
    Company(
        name="Nimbus Games",
        email="owner@nimbus.example",
        settles_in=Currency.JPY,
        sells_in=Currency.JPY,
        product=("npc_minds", "NPC Minds"),
        prices=[
            {"metric": "agent_runs", "model": "standard", "unit_price": "1.2"},
            {"metric": "images", "model": "standard", "unit_price": "4.5", "free_units": "100"},
        ],
        daily={"agent_runs": 900, "images": 120},
        buyers=(
            Buyer(
                "studio-a",
                "广州星火互动娱乐有限公司",
                "pay@xinghuo.example",
                months=12,
                size=100,
                pays_after=2,
            ),
            Buyer(
                "studio-b",
                "Pagoda Interactive",
                "accounts@pagoda.example",
                months=9,
                size=55,
                pays_after=8,
                language="en",
                endings={2: Ending.WRONG_AMOUNT},
            ),
            Buyer(
                "studio-c",
                "厦门鹭岛游戏工作室",
                "ludao@ludao.example",
                months=3,
                size=20,
                pays_after=16,
                endings={1: Ending.OPEN},
            ),
        ),
    ),
)
