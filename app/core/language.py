"""The languages that documents and mails are written in, named as their catalogues are."""

from enum import StrEnum


class Language(StrEnum):
    ZH_HANS_CN = "zh_Hans_CN"
    EN = "en"
