"""A stranger that speaks the channels' wire protocols: WeChat Pay v3 and Alipay over real HTTP.

No Chinese channel has a usable sandbox, so this one is ours. It runs in a process of its own,
with its own keys and its own book (SQLite), and shares no code with what it is there to test:
a mistake made twice would otherwise look like agreement.

    settings clock certificates → keys signing signers → book → orders → faults triggers → refunds
    → notices → wechat_wire alipay_wire statements → paying telling
    → doors: wechat* alipay* login, for merchants; payer, for who pays; desk control, for who tests
    → courier → web → __main__

Whatever can go wrong at a channel goes wrong here by switch (`faults`), or because an order asks
for it (`triggers`).
"""
