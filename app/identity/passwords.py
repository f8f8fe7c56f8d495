"""Passwords: Argon2id, a length policy, and the same work for an account that does not exist."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from app.core.errors import Invalid

MIN_LENGTH = 12
MAX_LENGTH = 128
_MIN_DIFFERENT = 5
_OWN_WORD = 4

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_at_once = threading.BoundedSemaphore(4)  # each hash takes 19 MiB
_DUMMY = _hasher.hash("an account that does not exist")


class WeakPassword(Invalid):
    code = "weak_password"


def check_policy(password: str, *, own_words: tuple[str, ...]) -> None:
    """Raise WeakPassword on a password that is too short, too long, too even, or one's own name."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise WeakPassword(
            f"use {MIN_LENGTH} to {MAX_LENGTH} characters; a few words are fine", path="password"
        )
    if len(set(password)) < _MIN_DIFFERENT or "\0" in password:
        raise WeakPassword("use more than four different characters", path="password")
    lowered = password.casefold()
    for word in own_words:
        if len(word) >= _OWN_WORD and word.casefold() in lowered:
            raise WeakPassword("do not use your own name or address in it", path="password")


def hash_password(password: str) -> str:
    with _at_once:
        return _hasher.hash(_normal(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Return whether the password is right. Without a hash it works as long and says no."""
    if len(password) > MAX_LENGTH:
        return False
    with _at_once:
        try:
            _hasher.verify(password_hash or _DUMMY, _normal(password))
        except VerificationError:
            return False
    return password_hash is not None


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)
