"""Errors of comparing rows with the bucket."""

from schema.errors.base import KaiwaError
from schema.wording import agreeing, counted


class ListingOvertaken(KaiwaError):
    """Another run has taken over this run's listing of the bucket."""

    def __str__(self) -> str:
        return (
            "Another run of `reconcile-bucket` has taken over this listing, so this run ends. "
            "Nothing is lost. Wait for the other run's result."
        )


class ListingIncomplete(KaiwaError):
    """Only part of the bucket is listed, so the rest would look missing."""

    objects: int

    def __str__(self) -> str:
        return (
            f"Listing the bucket stopped after {counted(self.objects, 'object')}. Nothing was "
            "compared. Run "
            "again to continue the listing."
        )


class ListingOutdated(KaiwaError):
    """Recordings absent from an old listing are in the bucket now."""

    missing: int
    found: int
    sampled: int

    def __str__(self) -> str:
        return (
            f"{counted(self.missing, 'recording is', 'recordings are')} absent from the listing "
            "that an earlier run began, but "
            f"{self.found} of {self.sampled} sampled ones are in the bucket now. Nothing was "
            "reported. Run again for a new listing."
        )


class MessagesMissing(KaiwaError):
    """So many objects belong to no live message that messages have probably been lost."""

    orphans: int
    objects: int
    max_percent: float

    def __str__(self) -> str:
        return (
            f"{self.orphans} of {counted(self.objects, 'object')} "
            f"{agreeing(self.orphans, 'belongs', 'belong')} to no message or only to messages "
            "whose audio is marked as deleted, above the limit "
            f"max_orphan_percent = {self.max_percent:g}. This may be the wrong database, or "
            "`messages` has lost rows. Nothing was queued for deletion. Check DATABASE_URL and "
            "TIGRIS_BUCKET_NAME, and restore lost messages. If all these objects should be "
            "deleted, run again with max_orphan_percent = 100."
        )


class OrphansLeft(KaiwaError):
    """Objects have belonged to no message for so long that someone must look at them."""

    objects: int
    days: int

    def __str__(self) -> str:
        return (
            f"{counted(self.objects, 'object')} older than {counted(self.days, 'day')} "
            f"{agreeing(self.objects, 'belongs', 'belong')} to no message, and no sweep will "
            f"delete {agreeing(self.objects, 'it', 'them')}: `repair` is off, or the key is not "
            "one of ours. Everything else is done. Read the artifact `reconcile-bucket`, then run "
            "with `repair` on, or delete by hand what it leaves."
        )


class InventoryLost(KaiwaError):
    """The table of listed objects has lost rows."""

    found: int
    listed: int

    def __str__(self) -> str:
        return (
            f"The database holds {self.found} of {counted(self.listed, 'listed object')}: an "
            "erasure removed "
            "some, or the server crashed and emptied the unlogged inventory. Nothing was compared. "
            "Run again for a new listing."
        )
