"""Errors of comparing rows with the bucket."""

from schema.errors.base import KaiwaError


class ListingOvertaken(KaiwaError):
    """Another run goes on with the listing that this run had begun or taken up."""

    def __init__(self) -> None:
        super().__init__(
            "Another run of `reconcile-bucket` took up this listing, so this one ends; nothing is "
            "lost. Wait for the other run's result."
        )


class ListingIncomplete(KaiwaError):
    """Only part of the bucket is listed, so the rest would look missing."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        super().__init__(
            f"The listing broke off after {objects} objects. Nothing was compared. Run again; it "
            "goes on where it is.",
            objects,
        )


class ListingOutdated(KaiwaError):
    """Most recordings are not in the listing, but in the bucket: it was listed too early."""

    def __init__(self, missing: int, found: int, sampled: int) -> None:
        self.missing, self.found, self.sampled = missing, found, sampled
        super().__init__(
            f"{missing} recordings are not in the listing that an earlier run began, but of a "
            f"sample of {sampled} of them {found} are in the bucket now. Nothing was reported. "
            "Run again; it lists the bucket anew.",
            missing,
            found,
            sampled,
        )


class MessagesMissing(KaiwaError):
    """So many objects belong to no message that messages are missing rather than objects left."""

    def __init__(self, orphans: int, objects: int, max_percent: float) -> None:
        self.orphans, self.objects, self.max_percent = orphans, objects, max_percent
        super().__init__(
            f"{orphans} of {objects} objects belong to no message, more than max_orphan_percent = "
            f"{max_percent:g}. Another database, or was `messages` emptied? Nothing was queued for "
            "deletion. Check DATABASE_URL and TIGRIS_BUCKET_NAME, and restore messages that are "
            "lost. If all these objects may go, run again with max_orphan_percent = 100.",
            orphans,
            objects,
            max_percent,
        )


class InventoryLost(KaiwaError):
    """The table of listed objects does not hold what was listed."""

    def __init__(self, found: int, listed: int) -> None:
        self.found, self.listed = found, listed
        super().__init__(
            f"The database holds {found} of {listed} listed objects: an erasure took some of them, "
            "or the server crashed, and the inventory is not logged. Nothing was compared. Run "
            "again; it lists the bucket anew.",
            found,
            listed,
        )
