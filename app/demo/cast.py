"""Who there is in the demo: merchants, what they sell, to whom, and what becomes of it."""

from app.billing.one_off import Item
from app.channels.base import ChannelName
from app.core.money import Currency
from app.core.periods import Cycle
from app.demo import prices
from app.demo.roles import (
    Buyer,
    ByHand,
    Company,
    Deed,
    Ending,
    Habit,
    Offer,
    OwnMetric,
    Rate,
    Turn,
    Watch,
)
from app.pricing.coupons import Benefit, Bounds
from app.pricing.discounts import Duration
from app.pricing.models import Aggregation

ADMINS = ("ada@buffmoney.example", "lin@buffmoney.example")
MONTHS = 12

REGIONS = ("cn-east-1", "cn-north-1")
_CHAT = {"model": ("gpt-5", "deepseek-v3", "qwen-max"), "region": REGIONS}
_PICTURES = {"model": ("seedream-4", "qwen-image"), "region": REGIONS}
_PLACES = {"region": REGIONS}
_USERS = {"user": tuple(f"u-{number:03}" for number in range(1, 41))}

_WECHAT, _ALIPAY = ChannelName.WECHAT, ChannelName.ALIPAY

LUMEN = Company(
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
    offers=(
        Offer(
            "WELCOME20",
            "新客户首季八折",
            Benefit(percent="20", duration=Duration.REPEATING, months=3),
            Bounds(max_redemptions=50, max_per_customer=1, is_for_new_customers=True),
        ),
        Offer("SUMMIT50", "AI Summit: €50 off", Benefit(amount_minor=50_00, currency=Currency.EUR)),
        Offer(
            "PARTNER5",
            "Partners: 5 % off tokens",
            Benefit(
                percent="5",
                duration=Duration.FOREVER,
                metric_codes=("tokens_input", "tokens_output"),
            ),
        ),
    ),
    rate=Rate("vat6", "增值税 VAT", "6", is_inclusive=False),
    watch=Watch(refunds_above=4_000_00),
    has_busy_day=True,
    buyers=(
        Buyer(
            "user_42",
            "上海智谱星图信息科技有限公司",
            "finance@xingtu.example",
            months=12,
            size=100,
            pays_after=3,
            pays_by=_ALIPAY,
            tax_id="91310115MA1K4XT42H",
            endings={4: Ending.VOID},
            late=(7,),
            turns=(
                Turn(Deed.ASK_FAPIAO, period=8, month=7, day=17),
                Turn(Deed.ISSUE_FAPIAO, period=8, month=7, day=24),
                Turn(Deed.CREDIT, 8, month=6, day=6, why="接口中断补偿", percent=10),
                Turn(Deed.RED_LETTER, period=8, month=6, day=11),
                Turn(Deed.ASK_FAPIAO, period=6, month=5, day=17),
                Turn(Deed.REJECT_FAPIAO, 6, month=5, day=24, why="抬头与合同主体不一致"),
                Turn(Deed.REFUND, 5, month=4, day=17, why="并发套餐降级退款", percent=20),
                Turn(Deed.REFUND, 5, month=2, day=24, why="测试流量退款", percent=10),
                Turn(Deed.ASK_FAPIAO, period=3, month=2, day=17),
                Turn(Deed.ISSUE_FAPIAO, period=3, month=2, day=24),
                Turn(Deed.ASK_FAPIAO, period=2, month=1, day=17),
                Turn(Deed.REFUND, 2, month=1, day=24, why="账单主体错误 全额退回"),
            ),
        ),
        Buyer(
            "user_77",
            "杭州云帆数据有限公司",
            "ap@yunfan.example",
            months=8,
            size=45,
            pays_after=11,
            pays_by=_WECHAT,
            tax_id="91330106MA2CYF7702",
            coupons=("WELCOME20",),
            endings={1: Ending.OPEN, 2: Ending.DEAD_CARD},
            turns=(
                Turn(Deed.CREDIT, 3, month=2, day=6, why="重复计量的调用", percent=15),
                Turn(Deed.ASK_FAPIAO, period=3, month=2, day=24),
                Turn(Deed.DISPUTE, 4, month=1, day=17, why="用户投诉未收到服务", percent=40),
                Turn(Deed.REFUND, 2, month=1, day=24, why="未使用额度退款", percent=30),
            ),
        ),
        Buyer(
            "user_108",
            "Orchid Robotics (Shenzhen) Ltd.",
            "billing@orchid.example",
            months=12,
            size=30,
            pays_after=1,
            pays_by=_WECHAT,
            language="en",
            cycle=Cycle.MONTHLY_ANNIVERSARY,
            coupons=("PARTNER5",),
            is_tax_exempt=True,
        ),
        Buyer(
            "user_63",
            "Rheinwerk (Shanghai) Co., Ltd.",
            "buchhaltung@rheinwerk.example",
            months=6,
            size=40,
            pays_after=4,
            pays_by=_ALIPAY,
            language="en",
            currency=Currency.EUR,
            coupons=("SUMMIT50",),
            turns=(
                Turn(Deed.CREDIT, 5, month=4, day=24, why="Two days without cn-east-1", percent=8),
                Turn(Deed.REFUND, 3, month=2, day=17, why="Booked on the wrong cost centre"),
            ),
        ),
        Buyer(
            "user_55",
            "南京钟山智能科技有限公司",
            "finance@zhongshan.example",
            months=7,
            size=25,
            pays_after=5,
            pays_by=_WECHAT,
            ended=2,
            endings={3: Ending.OPEN},
            turns=(
                Turn(Deed.DISPUTE, 6, month=5, day=24, why="付款人称未授权"),
                Turn(Deed.WIN, period=6, month=4, day=17),
                Turn(Deed.GIVE_UP, period=3, month=1, day=11),
            ),
        ),
    ),
)

QINGHE = Company(
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
    rate=Rate("vat6", "增值税 信息技术服务", "6", is_inclusive=True),
    by_hand=(
        ByHand("qh-001", Item("品牌视觉模型微调", "1", "1180000")),
        ByHand("qh-002", Item("历史素材批量打标", "48000", "20")),
        ByHand("qh-001", Item("投放看板定制开发", "3", "240000")),
        ByHand("qh-002", Item("私有化部署实施", "1", "590000")),
        ByHand("qh-001", Item("季度活动素材包", "1", "360000"), is_issued=False),
    ),
    watch=Watch(daily=26_000_00),
    buyers=(
        Buyer(
            "qh-001",
            "北京晨光广告传媒有限公司",
            "caiwu@chenguang.example",
            months=12,
            size=100,
            pays_after=6,
            pays_by=_ALIPAY,
            tax_id="91110105MA01CG8K16",
            endings={6: Ending.VOID},
            turns=(
                Turn(Deed.DISPUTE, 5, month=4, day=24, why="付款人称未授权"),
                Turn(Deed.WIN, period=5, month=3, day=17),
                Turn(Deed.ASK_FAPIAO, period=3, month=2, day=24),
                Turn(Deed.ISSUE_FAPIAO, period=3, month=1, day=6),
                Turn(Deed.ASK_FAPIAO, period=2, month=1, day=24),
            ),
        ),
        Buyer(
            "qh-002",
            "成都锦里文化创意有限公司",
            "caiwu@jinli.example",
            months=6,
            size=60,
            pays_after=12,
            pays_by=_ALIPAY,
            tax_id="91510104MA6JL25P72",
            endings={1: Ending.OPEN},
            turns=(
                Turn(Deed.ASK_FAPIAO, period=4, month=2, day=6),
                Turn(Deed.ISSUE_FAPIAO, period=4, month=2, day=11),
                Turn(Deed.REFUND, 4, month=2, day=24, why="图片重复生成", percent=25),
            ),
        ),
    ),
)

NIMBUS = Company(
    name="Nimbus Games",
    email="owner@nimbus.example",
    settles_in=Currency.JPY,
    sells_in=Currency.JPY,
    product=("npc_minds", "NPC Minds"),
    content=prices.NIMBUS,
    habits={"agent_runs": Habit(900, _PLACES), "images": Habit(120, _PICTURES)},
    watch=Watch(pause="Two complaints within a month: the bank asks for the contracts"),
    buyers=(
        Buyer(
            "studio-a",
            "广州星火互动娱乐有限公司",
            "pay@xinghuo.example",
            months=12,
            size=100,
            pays_after=2,
            pays_by=_WECHAT,
            endings={3: Ending.TWICE},
            turns=(
                Turn(Deed.DISPUTE, 6, month=5, day=24, why="用户投诉重复扣款", percent=50),
                Turn(Deed.LOSE, period=6, month=4, day=17),
            ),
        ),
        Buyer(
            "studio-b",
            "Pagoda Interactive",
            "accounts@pagoda.example",
            months=9,
            size=55,
            pays_after=8,
            pays_by=_ALIPAY,
            language="en",
            endings={2: Ending.WRONG_AMOUNT, 5: Ending.OPEN},
            turns=(Turn(Deed.REISSUE, period=5, month=3, day=6),),
        ),
        Buyer(
            "studio-c",
            "厦门鹭岛游戏工作室",
            "ludao@ludao.example",
            months=3,
            size=20,
            pays_after=16,
            pays_by=_WECHAT,
            endings={1: Ending.OPEN, 2: Ending.OPEN},
        ),
    ),
)

COMPANIES = (LUMEN, QINGHE, NIMBUS)
