"""Disks that fill up while somebody writes to them."""

from app.documents.storage import Storage, StorageUnavailable


class FullDisk(Storage):
    """A folder on a disk that has room for so many files more."""

    def __init__(self, storage: Storage, *, room: int) -> None:
        super().__init__(storage.store)
        self.room = room

    def put_once(self, key: str, content: bytes) -> None:
        if self.room == 0:
            raise StorageUnavailable("no space left on device")
        self.room -= 1
        super().put_once(key, content)
