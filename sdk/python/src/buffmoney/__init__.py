"""BuffMoney for Python: usage events in batches from the background, each counted once.

client = BuffMoney(api_key, base_url="https://billing.example.com")
client.usage.track("user_42", "tokens_input", 12_500, dimensions={"model": "gpt-5"})
"""

from buffmoney.client import BuffMoney
from buffmoney.errors import ApiError, BuffMoneyError, Closed, NoAnswer, QueueFull
from buffmoney.events import Event, Result, Undelivered
from buffmoney.stats import Stats
from buffmoney.version import __version__

__all__ = [
    "ApiError",
    "BuffMoney",
    "BuffMoneyError",
    "Closed",
    "Event",
    "NoAnswer",
    "QueueFull",
    "Result",
    "Stats",
    "Undelivered",
    "__version__",
]
