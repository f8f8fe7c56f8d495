"""A stranger that speaks the channels' wire protocols: WeChat Pay v3 and Alipay over real HTTP.

No Chinese channel has a usable sandbox, so this one is ours. It runs in a process of its own,
with its own keys and its own book (SQLite), and shares no code with what it is there to test:
a mistake made twice would otherwise look like agreement.

    settings clock → keys signing → book → orders → notices → wechat* alipay* → payer control
                                                            → courier → web → __main__
"""
