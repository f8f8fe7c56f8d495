"""Where the bytes of documents lie: a folder of this machine, or a bucket. Written once each."""

from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import LocalStore, ObjectStore, S3Store

from app.core.errors import Conflict, NotFound, Unavailable


class AlreadyStored(Conflict):
    """There are bytes under this key; what was issued is never overwritten."""

    code = "already_stored"


class StorageUnavailable(Unavailable):
    """The disk is full, or the bucket does not answer: nothing was changed."""

    code = "storage_unavailable"


class Storage:
    """Files by key. Calls may use the network: never make one inside a transaction."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    @classmethod
    def at(cls, location: str) -> "Storage":
        """Open a folder, which is made if missing, or `s3://bucket/prefix`.

        Endpoint, region and credentials of a bucket come from the usual `AWS_…` environment.
        Raises ValueError on any other URL.
        """
        scheme, separator, path = location.partition("://")
        if not separator:
            return cls(LocalStore(Path(location).absolute(), mkdir=True))
        if scheme == "file":
            return cls(LocalStore(Path(path), mkdir=True))
        if scheme == "s3":
            return cls(S3Store.from_url(location))
        raise ValueError(f"documents are stored in a folder or under s3://, not under {scheme}://")

    def put_once(self, key: str, content: bytes) -> None:
        """Write `content` under a new key, whole or not at all.

        Raises AlreadyStored, and StorageUnavailable where a disk is full or a bucket away.
        """
        try:
            obstore.put(self.store, key, content, mode="create")
        except AlreadyExistsError as error:
            raise AlreadyStored(f"{key} is already stored") from error
        except GenericError as error:
            raise StorageUnavailable("nothing can be stored now; try again later") from error

    def read(self, key: str) -> bytes:
        """Return what was written under `key`. Raises NotFound and StorageUnavailable."""
        try:
            return bytes(obstore.get(self.store, key).bytes())
        except FileNotFoundError as error:
            raise NotFound(f"nothing is stored as {key}") from error
        except GenericError as error:
            raise StorageUnavailable("the storage does not answer; try again later") from error

    def delete(self, key: str) -> None:
        """Throw away what lies under `key`, if it still does. Raises StorageUnavailable.

        For what serves a while, such as a download: what was issued is kept.
        """
        try:
            obstore.delete(self.store, key)
        except FileNotFoundError:
            return
        except GenericError as error:
            raise StorageUnavailable("nothing can be deleted now; try again later") from error
