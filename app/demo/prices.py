"""What the demo's merchants charge: each charge model there is, in documents as the product keeps.

Amounts are texts of minor units of the price set's currency.
"""

from typing import Any

Content = dict[str, Any]


def lumen(*, input_price: str = "0.0003", first_runs: str = "2000") -> Content:
    """Lumen's rate card in two currencies; its editions differ in what is given.

    In EUR it forgot the sales by agents: they are used there, and the overview warns of it.
    """
    return {
        "currencies": {
            "USD": _lumen_prices(input_price, first_runs),
            "EUR": [
                {"metric": "tokens_input", "model": "standard", "unit_price": input_price},
                {"metric": "tokens_output", "model": "standard", "unit_price": "0.0011"},
                {"metric": "agent_runs", "model": "standard", "unit_price": "4"},
                {"metric": "images", "model": "standard", "unit_price": "5"},
                _seats("45"),
            ],
        },
        "commitments": {"USD": "25000"},
    }


def _lumen_prices(input_price: str, first_runs: str) -> list[dict[str, Any]]:
    return [
        {
            "metric": "tokens_input",
            "model": "standard",
            "unit_price": input_price,
            "filters": [
                {"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "0.0006"},
                # Two keys win over one: what runs in Beijing costs more there.
                {
                    "match": {"model": ["gpt-5"], "region": ["cn-north-1"]},
                    "model": "standard",
                    "unit_price": "0.0007",
                },
            ],
        },
        {
            "metric": "tokens_output",
            "model": "graduated",
            "tiers": [
                {"up_to": "20000000", "unit_price": "0.0012", "flat_fee": "0"},
                {"up_to": None, "unit_price": "0.0009", "flat_fee": "0"},
            ],
            "group_by": ["region"],
            "share_tiers": True,
        },
        {
            "metric": "agent_runs",
            "model": "volume",
            "tiers": [
                {"up_to": first_runs, "unit_price": "3", "flat_fee": "0"},
                {"up_to": "8000", "unit_price": "2.5", "flat_fee": "0"},
                {"up_to": None, "unit_price": "2", "flat_fee": "0"},
            ],
            "free_units": "500",
        },
        *_LUMEN_FIXED,
        _seats("50"),
    ]


def _seats(price: str) -> dict[str, Any]:
    return {"metric": "active_users", "model": "standard", "unit_price": price}


_LUMEN_FIXED: list[dict[str, Any]] = [
    {
        "metric": "images",
        "model": "package",
        "package_size": "100",
        "package_price": "400",
    },
    {
        "metric": "agent_sales",
        "model": "percentage",
        "rate": "1.2",
        "fixed_fee": "10",
        "per_event_maximum": "5000",
    },
]

QINGHE: Content = {
    "currencies": {
        "CNY": [
            {"metric": "images", "model": "standard", "unit_price": "8", "free_units": "200"},
            {
                "metric": "storage_gb",
                "model": "standard",
                "unit_price": "35",
                "maximum_amount": "600000",
            },
            {
                "metric": "ad_spend",
                "model": "graduated_percentage",
                "tiers": [
                    {"up_to": "20000", "rate": "2.5", "flat_fee": "0"},
                    {"up_to": None, "rate": "1.5", "flat_fee": "0"},
                ],
            },
        ]
    }
}

NIMBUS: Content = {
    "currencies": {
        "JPY": [
            {
                "metric": "agent_runs",
                "model": "standard",
                "unit_price": "1.2",
                "group_by": ["region"],
                "discount_percent": "5",
            },
            {"metric": "images", "model": "standard", "unit_price": "4.5", "free_units": "100"},
        ]
    }
}
