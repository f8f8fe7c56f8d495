"""Who there is in the demo: merchants, what they sell, to whom, and how those pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.core.money import Currency
from app.core.periods import Cycle
from app.demo import prices
from app.demo.prices import Content
from app.pricing.models import Aggregation

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
    """A customer on contract for `months`, or until its contract ended `ended` months ago.

    `endings` says by how many months ago a period began what its invoice comes to; the others
    are paid. `late` names, in the same way, the periods of which some usage came only when their
    invoices were out.
    """

    external_id: str
    name: str
    email: str
    months: int
    size: int  # per cent of the merchant's usual customer
    pays_after: int  # days
    language: str = "zh_Hans_CN"
    currency: Currency | None = None  # the merchant's, unless it is another one
    cycle: Cycle = Cycle.MONTHLY_CALENDAR
    endings: Mapping[int, Ending] = field(default_factory=dict)
    late: Sequence[int] = ()
    ended: int | None = None


@dataclass(frozen=True)
class OwnMetric:
    """A metric that is not built in. A unique count counts the values of `unique_by`."""

    code: str
    name: str
    unit: str
    aggregation: Aggregation
    dimensions: Sequence[str]
    unique_by: str | None = None


@dataclass(frozen=True)
class Habit:
    """How much of a metric the usual customer uses in a day, and what its events may say of it."""

    daily: int
    dimensions: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Company:
    """A merchant: what it sells, at which prices, and what its customers use."""

    name: str
    email: str
    settles_in: Currency
    sells_in: Currency
    product: tuple[str, str]
    content: Content
    habits: Mapping[str, Habit]
    buyers: tuple[Buyer, ...]
    own_metrics: tuple[OwnMetric, ...] = ()
    has_busy_day: bool = False  # what `busy_day` tells happens to it


REGIONS = ("cn-east-1", "cn-north-1")
_CHAT = {"model": ("gpt-5", "deepseek-v3", "qwen-max"), "region": REGIONS}
_PICTURES = {"model": ("seedream-4", "qwen-image"), "region": REGIONS}
_PLACES = {"region": REGIONS}
_USERS = {"user": tuple(f"u-{number:03}" for number in range(1, 41))}

COMPANIES = (
    Company(
        name="Lumen AI",
        email="owner@lumen.example",
        settles_in=Currency.USD,
        sells_in=Currency.USD,
        product=("chat_api", "Chat API"),
        content=prices.lumen(),
        habits={
            "tokens_input": Habit(2_400_000, _CHAT),
            "tokens_output": Habit(900_000, _CHAT),
            "agent_runs": Habit(160, _PLACES),
            "images": Habit(45, _PICTURES),
            "agent_sales": Habit(260, _PLACES),
            "active_users": Habit(1, _USERS),
        },
        own_metrics=(
            OwnMetric("agent_sales", "Sales by agents", "amount", Aggregation.SUM, ["region"]),
            OwnMetric(
                "active_users",
                "Active users",
                "user",
                Aggregation.UNIQUE_COUNT,
                ["user"],
                unique_by="user",
            ),
        ),
        has_busy_day=True,
        buyers=(
            Buyer(
                "user_42",
                "上海智谱星图信息科技有限公司",
                "finance@xingtu.example",
                months=12,
                size=100,
                pays_after=3,
                endings={4: Ending.VOID},
                late=(7,),
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
            Buyer(
                "user_63",
                "Rheinwerk (Shanghai) Co., Ltd.",
                "buchhaltung@rheinwerk.example",
                months=6,
                size=40,
                pays_after=4,
                language="en",
                currency=Currency.EUR,
            ),
            Buyer(
                "user_55",
                "南京钟山智能科技有限公司",
                "finance@zhongshan.example",
                months=7,
                size=25,
                pays_after=5,
                ended=2,
            ),
        ),
    ),
    Company(
        name="青禾科技 Qinghe",
        email="owner@qinghe.example",
        settles_in=Currency.HKD,
        sells_in=Currency.CNY,
        product=("vision", "青禾视觉"),
        content=prices.QINGHE,
        habits={
            "images": Habit(640, _PICTURES),
            "storage_gb": Habit(180, _PLACES),
            "ad_spend": Habit(1_400, _PLACES),
        },
        own_metrics=(OwnMetric("ad_spend", "投放金额", "amount", Aggregation.SUM, ["region"]),),
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
        content=prices.NIMBUS,
        habits={"agent_runs": Habit(900, _PLACES), "images": Habit(120, _PICTURES)},
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
