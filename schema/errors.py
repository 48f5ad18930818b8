"""Errors: what happened, what to do, the facts as attributes; all survive pickling.

KaiwaError
├── StorageError
│   ├── ObjectMissing        the bucket has no such key
│   ├── InvalidKey           no S3 server stores an object under just this name
│   ├── ObjectTooLarge       larger than the reader allows
│   ├── StorageUnavailable   timeouts, 5xx, cut bodies: try again
│   ├── StorageDenied        credentials or rights
│   ├── CredentialExpiryUnknown  temporary credentials, and nobody said until when
│   ├── CredentialsExpired   temporary credentials that have ended
│   ├── WrongBucket          the marker object is not there
│   ├── UnprovenBucket       the marker is there, the recordings are not
│   └── RecordingsMissing    the same, of all recordings
├── WorkerNotReady           no analysis process can be started
├── ClusterUnavailable       the Dask cluster in settings cannot be used
├── ChunkLost                the Dask cluster cannot say what became of a chunk
├── InvalidDatabaseUrl       DATABASE_URL is not one of Postgres
├── DatabaseRefused          it takes no such row; what was in the row is not told
├── NotAdoptable             the app's database cannot be adopted as it is
├── LockNotGranted           somebody else holds a table that a migration must change
├── StepFailed               Postgres refuses a step of a migration
├── AppObjectsLost           our indexes or trigger on the app's tables were dropped
├── RowsHidden               row security hides rows of the app's tables
├── AnalysesWouldGo          a rollback would drop analyses
├── ClockSkew                this machine and the database disagree about the time
├── HoldSubjectUnknown       a legal hold on something that does not exist
├── HoldNotActive            a legal hold to release that does not hold
├── LearnerUnknown           nothing is known of the learner to be erased
├── LearnerHeld              a legal hold forbids the erasure
├── ErasureIncomplete        something of the learner is still there
├── ReportsUnwritable        files for people and programs cannot be written
├── ListingOvertaken         another run goes on with this run's listing
├── ListingIncomplete        not all of the bucket is listed yet
├── ListingOutdated          what the listing lacks is in the bucket by now
├── MessagesMissing          so many objects belong to no message that it is rather another database
├── InventoryLost            the database no longer holds all that was listed
├── ChunksBroken             part of the chunks broke off, so the run must not end green
├── SweepNotApproved         so much is due that a person must approve, and nobody did
├── SweepIncomplete          audio that should be gone is still there
├── UnclearWindow            a window of time that nobody can tell
├── PriceRefused             a price, or an amount to be priced, that can be none
├── NotYetMeasurable         an instant that has not come, is too old or not to be placed
├── BackfillUnknown          no backfill has this number
├── BackfillClosed           undone, or let go of: nothing more is done with it
├── EngineChanged            a backfill is for another version of the engine
├── BackfillNotApproved      its first sample changed much, and nobody approved the rest
├── BackfillStopped          somebody stopped it before all was done
├── BackfillStalled          its workers end, and nothing gets done
├── BackfillIncomplete       part of a backfill could not be analysed
├── RulesUnanswered          a rule could not be asked, so nobody knows whether it is kept
├── QualityTooLow            stored data breaks its rules, so the check must not end green
├── AnalysesBroken           analyses just written break rules of data quality
└── RunIncomplete            part of the work failed, so the run must not end green
"""

from datetime import datetime
from typing import Any


class KaiwaError(Exception):
    """Base of all errors of this project; `facts` are the constructor's arguments."""

    def __init__(self, message: str, *facts: Any) -> None:  # noqa: ANN401 - facts differ by error
        self.facts = facts
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Survive pickling: rebuild from the facts, not from the message."""
        return type(self), self.facts


class StorageError(KaiwaError):
    """The bucket did not do what was asked."""


class ObjectMissing(StorageError):
    """The bucket has no object under this key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            "The recording is not in the bucket. It was deleted or never uploaded; "
            "ask the app to upload it again.",
            key,
        )


class InvalidKey(StorageError):
    """Some server, client or proxy would change, refuse or fail to list this key."""

    def __init__(self, key: str, rule: str) -> None:
        self.key, self.rule = key, rule
        super().__init__(
            f"An object's key {rule}; this one does not: {key[:80]!r}. "
            "Correct `audio_storage_key`, or ask the app to upload the recording again.",
            key,
            rule,
        )


class ObjectTooLarge(StorageError):
    """The object is larger than the reader allows."""

    def __init__(self, key: str, size_bytes: int, limit_bytes: int) -> None:
        self.key, self.size_bytes, self.limit_bytes = key, size_bytes, limit_bytes
        super().__init__(
            f"The recording has {size_bytes / 1e6:.1f} MB; at most {limit_bytes / 1e6:.0f} MB "
            "are read. Split it and upload the parts.",
            key,
            size_bytes,
            limit_bytes,
        )


class StorageUnavailable(StorageError):
    """The bucket did not answer, or broke off; another try may succeed."""

    def __init__(self, operation: str, reason: str) -> None:
        self.operation, self.reason = operation, reason
        super().__init__(
            f"The bucket failed to {operation}: {reason}. If this lasts, look at the provider's "
            "status and at TIGRIS_ENDPOINT.",
            operation,
            reason,
        )


class StorageDenied(StorageError):
    """The bucket refused the credentials."""

    def __init__(self, operation: str, code: str) -> None:
        self.operation, self.code = operation, code
        super().__init__(
            f"The bucket refused to {operation} ({code}). Check TIGRIS_ACCESS_KEY_ID, "
            "TIGRIS_SECRET_ACCESS_KEY, TIGRIS_REGION and the key's rights on TIGRIS_BUCKET_NAME.",
            operation,
            code,
        )


class CredentialExpiryUnknown(StorageError):
    """A URL signed with temporary credentials ends with them, and nobody said when that is."""

    def __init__(self) -> None:
        super().__init__(
            "TIGRIS_SESSION_TOKEN is set, so the credentials are temporary, but their end is not "
            "known. Set TIGRIS_CREDENTIAL_EXPIRATION to it, such as 2025-12-31T23:59:59+00:00."
        )


class CredentialsExpired(StorageError):
    """The temporary credentials have ended: what they sign is refused."""

    def __init__(self, expired_at: datetime) -> None:
        self.expired_at = expired_at
        super().__init__(
            f"The bucket's temporary credentials ended at {expired_at.isoformat()}. Set new ones, "
            "and TIGRIS_CREDENTIAL_EXPIRATION to their end; then restart the worker.",
            expired_at,
        )


class WrongBucket(StorageError):
    """The bucket does not hold our marker object."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        super().__init__(
            f"Bucket {bucket!r} holds no marker of this project. Check TIGRIS_BUCKET_NAME; "
            "for a new bucket run `kaiwa-audio storage init`.",
            bucket,
        )


class UnprovenBucket(StorageError):
    """The bucket holds our marker, but too few of the recordings that it should hold."""

    def __init__(self, bucket: str, found: int, sampled: int) -> None:
        self.bucket, self.found, self.sampled = bucket, found, sampled
        super().__init__(
            f"Of a sample of {sampled} recordings bucket {bucket!r} holds {found}. It may be "
            "another environment's, so nothing was marked as deleted. Check TIGRIS_BUCKET_NAME and "
            "DATABASE_URL; if recordings are really missing, run `reconcile-bucket`.",
            bucket,
            found,
            sampled,
        )


class RecordingsMissing(StorageError):
    """The bucket holds our marker, but not even half of the recordings."""

    def __init__(self, bucket: str, missing: int, rows: int) -> None:
        self.bucket, self.missing, self.rows = bucket, missing, rows
        super().__init__(
            f"{missing} of {rows} recordings are not in bucket {bucket!r}. Wrong bucket or prefix? "
            "Nothing was queued for deletion. Check TIGRIS_BUCKET_NAME and DATABASE_URL, then "
            "run again; it lists the bucket anew.",
            bucket,
            missing,
            rows,
        )


class WorkerNotReady(KaiwaError):
    """An analysis process ended, or hung, before it was ready for its first recording."""

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        super().__init__(
            f"An analysis process did not get ready (exit code {exit_code}). The messages are "
            "given back. Look for its traceback in the worker's log; memory may be short, or the "
            "installation incomplete.",
            exit_code,
        )


class ClusterUnavailable(KaiwaError):
    """The Dask cluster that settings name cannot be used from here."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"The Dask cluster at {address} cannot be used: {reason}. Nothing more was claimed. "
            "Mend that, or leave KAIWA_DASK_ADDRESS empty: chunks then run in the flow run's own "
            "process.",
            address,
            reason,
        )


class ChunkLost(KaiwaError):
    """The Dask cluster cannot say what became of a chunk; leases keep its messages from harm."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"A chunk was lost on the Dask cluster: {reason.rstrip('.')}. What it had claimed is "
            "either written or taken up again when its leases end. Look into the logs of Dask's "
            "scheduler and workers.",
            reason,
        )


class InvalidDatabaseUrl(KaiwaError):
    """DATABASE_URL is not one of Postgres; the message does not repeat it, it holds a password."""

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL is not a Postgres URL; "
            "it should read postgresql://user:password@host:port/database."
        )


class SessionNotUtc(KaiwaError):
    """A session does not run in UTC: something on the way dropped what we asked for."""

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone
        super().__init__(
            f"The database's session runs in {time_zone}, although UTC was asked for; deadlines "
            "would be off by hours, so nothing is done. A connection pooler that ignores startup "
            "options does that: connect past it, or set the options on the role "
            "(docs/scaling.md, Connections).",
            time_zone,
        )


class DatabaseRefused(KaiwaError):
    """The database did not take what was written; its own message, which quotes it, is left out."""

    def __init__(self, operation: str, sqlstate: str | None) -> None:
        self.operation, self.sqlstate = operation, sqlstate
        super().__init__(
            f"The database refused to {operation} (SQLSTATE {sqlstate}). Look for a constraint or "
            "trigger on `messages` that is newer than this project, and into the server's log.",
            operation,
            sqlstate,
        )


class NotAdoptable(KaiwaError):
    """The app's database cannot be adopted as it is; nothing was changed."""

    def __init__(self, obstacles: tuple[str, ...]) -> None:
        self.obstacles = obstacles
        listed = "\n".join(f"- {obstacle}" for obstacle in obstacles)
        super().__init__(
            f"Nothing was changed. Mend this, then run the command again:\n{listed}", obstacles
        )


class LockNotGranted(KaiwaError):
    """A table was in use all the time, so a migration could not change it."""

    def __init__(self, step: str, table: str, holders: list[str]) -> None:
        self.step, self.table, self.holders = step, table, holders
        by = "; ".join(holders) or "transactions that have ended by now"
        super().__init__(
            f"{table} was held by {by}, so this could not be done: {step}. What was done before "
            "stays done. End that transaction, SELECT pg_terminate_backend(<pid>), and run the "
            "command again.",
            step,
            table,
            holders,
        )


class StepFailed(KaiwaError):
    """Postgres refused a step of a migration; the steps before it stay done."""

    def __init__(self, step: str, sqlstate: str, reason: str) -> None:
        self.step, self.sqlstate, self.reason = step, sqlstate, reason
        super().__init__(
            f"Postgres refused: {reason} ({sqlstate}). It was about this step: {step}. What was "
            "done before stays done. Mend what is named, and run the command again: it goes on.",
            step,
            sqlstate,
            reason,
        )


class AppObjectsLost(KaiwaError):
    """Our indexes or trigger on the app's tables were dropped, and this role may not make them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(
            f"The app's database has lost {', '.join(names)}: `drizzle-kit push` drops what the "
            "app's schema does not name. Nothing was done. Run `kaiwa-audio database upgrade` as "
            "the tables' owner, which makes them again while the app goes on.",
            names,
        )


class RowsHidden(KaiwaError):
    """Row security hides rows of the app's tables from this login."""

    def __init__(self, tables: tuple[str, ...]) -> None:
        self.tables = tables
        super().__init__(
            f"Row security hides rows of {', '.join(tables)} from this login: recordings that it "
            "does not see would look like nobody's. Nothing was done. ALTER ROLE … BYPASSRLS for "
            "the flows' login, or give it a policy that shows every row and disable row security.",
            tables,
        )


class AnalysesWouldGo(KaiwaError):
    """A rollback would drop the table of analyses."""

    def __init__(self, analyses: int) -> None:
        self.analyses = analyses
        super().__init__(
            f"The upgrade made message_audio_analysis, which holds {analyses:,} analyses; a "
            "rollback drops it. Nothing was changed. Pass --drop-analyses to allow it.",
            analyses,
        )


class FindingsDenied(KaiwaError):
    """The login may not write the app's list of findings."""

    def __init__(self) -> None:
        super().__init__(
            "This login may not write `analysis_findings` and `linguistic_features`, or the app's "
            "database does not have them. Nothing was written. As the tables' owner, run "
            "deployments/grants.sql with PGOPTIONS='-c kaiwa.export_findings=on'."
        )


class ClockSkew(KaiwaError):
    """This machine and the database disagree about the time; one of them would decide wrongly."""

    def __init__(self, skew_seconds: float, allowed_seconds: float) -> None:
        self.skew_seconds, self.allowed_seconds = skew_seconds, allowed_seconds
        super().__init__(
            f"This machine's clock is {abs(skew_seconds):.0f} s "
            f"{'ahead of' if skew_seconds > 0 else 'behind'} the database's (allowed: "
            f"{allowed_seconds:.0f} s). Nothing was done. Synchronise both by NTP, then run again.",
            skew_seconds,
            allowed_seconds,
        )


class HoldSubjectUnknown(KaiwaError):
    """A legal hold on something that does not exist would protect nothing."""

    def __init__(self, scope: str, subject_id: str) -> None:
        self.scope, self.subject_id = scope, subject_id
        super().__init__(
            f"There is no {scope} {subject_id!r}, nor a queued recording of it: nothing is held. "
            "Copy the id from the app's tables; a user's is a UUID.",
            scope,
            subject_id,
        )


class HoldNotActive(KaiwaError):
    """No legal hold of this id is in force, so none was released."""

    def __init__(self, hold_id: int) -> None:
        self.hold_id = hold_id
        super().__init__(
            f"No legal hold {hold_id} is in force; somebody may have released it. "
            "`kaiwa-audio hold list` shows those that are.",
            hold_id,
        )


class LearnerUnknown(KaiwaError):
    """Neither a table nor the bucket has heard of the learner to be erased."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing is known of this learner: no account, no conversation, nothing in the bucket. "
            "Nothing was done. Copy the id from the app's `users`."
        )


class LearnerHeld(KaiwaError):
    """A legal hold obliges to keep what the learner wants erased."""

    def __init__(self, holds: int) -> None:
        self.holds = holds
        super().__init__(
            f"{holds} legal holds touch this learner, so nothing more was erased. "
            "`kaiwa-audio hold list` shows them; run the erasure when they are released.",
            holds,
        )


class ErasureIncomplete(KaiwaError):
    """Something of the learner is still there, so the run must not end green."""

    def __init__(self, messages: int, objects: int, refused: int) -> None:
        self.messages, self.objects, self.refused = messages, objects, refused
        super().__init__(
            f"Still there: {messages} messages that speak of a recording, {objects} objects, "
            f"{refused} keys that are not ours to delete. Everything else is erased. Correct "
            "refused keys, and run again; the artifact `erase-learner` counts all that is left.",
            messages,
            objects,
            refused,
        )


class ReportsUnwritable(KaiwaError):
    """Files for people and programs cannot be written; nothing else is lost."""

    def __init__(self, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"Reports cannot be written to {folder!r}: {reason}. The artifacts are published all "
            "the same. Let the worker's user write there, or set KAIWA_REPORTS_DIR to another "
            "folder, and run again.",
            folder,
            reason,
        )


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


class ChunksBroken(KaiwaError):
    """Part of a run's chunks broke off, so the run must not end green."""

    def __init__(self, broken: int, chunks: int) -> None:
        self.broken, self.chunks = broken, chunks
        super().__init__(
            f"{broken} of {chunks} chunks broke off. Everything else is written, and the next run "
            "takes up the rest; the failed task runs say why.",
            broken,
            chunks,
        )


class SweepNotApproved(KaiwaError):
    """So much is due that a person must approve it, and nobody did."""

    def __init__(self, reason: str, outcome: str) -> None:
        self.reason, self.outcome = reason, outcome
        super().__init__(
            f"Nothing was deleted: {reason}, and {outcome}. Look at the artifact "
            "`sweep-retention`; if the plan is right, run again and approve, or raise the limit.",
            reason,
            outcome,
        )


class SweepIncomplete(KaiwaError):
    """Audio that should be gone is still there, so the run must not end green."""

    def __init__(self, failed: int, overdue: int, broken: str | None) -> None:
        self.failed, self.overdue, self.broken = failed, overdue, broken
        stopped = f" It stopped early: {broken}" if broken else ""
        super().__init__(
            f"The bucket did not confirm {failed} deletions, and {overdue} recordings should have "
            f"been gone for over 3 days.{stopped} Everything confirmed is written, and the next "
            "sweep tries the rest again; the artifact `sweep-retention` counts the causes.",
            failed,
            overdue,
            broken,
        )


class PriceRefused(KaiwaError):
    """A price, or an amount that is to be priced, is negative or no number."""

    def __init__(self, name: str, amount: float) -> None:
        self.name, self.amount = name, amount
        super().__init__(
            f"{name} is {amount}, but must be a number from zero up. Nothing was measured.",
            name,
            amount,
        )


class NotYetMeasurable(KaiwaError):
    """Storage is to be measured for an instant in the future, before 1970, or without a zone."""

    def __init__(self, as_of: datetime, reason: str) -> None:
        self.as_of, self.reason = as_of, reason
        super().__init__(
            f"{as_of.isoformat()} {reason}. Nothing was measured: give an instant of the past with "
            "its offset, such as 2025-12-31T23:59:59+00:00, or none for now.",
            as_of,
            reason,
        )


class UnclearWindow(KaiwaError):
    """The beginning and end of a check's window contradict its scope or each other."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason} Nothing was checked.", reason)


class RulesUnanswered(KaiwaError):
    """Rules could not be asked, and what nobody has asked must not pass for kept."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        self.rules = rules
        super().__init__(
            f"No answer to {len(rules)} rules: {', '.join(rules)}. Nothing was written. Look into "
            "the database server's log, and whether a column has another type than this project's "
            "migrations give it.",
            rules,
        )


class QualityTooLow(KaiwaError):
    """Stored data breaks its rules, or could not be looked at, so the check must not end green."""

    def __init__(
        self,
        failing: int,
        checked: int,
        missing: int,
        sampled: int,
        allowed_percent: float,
        bucket_problem: str | None,
    ) -> None:
        self.failing, self.checked = failing, checked
        self.missing, self.sampled = missing, sampled
        self.allowed_percent, self.bucket_problem = allowed_percent, bucket_problem
        unasked = f" The bucket could not be sampled: {bucket_problem}" if bucket_problem else ""
        super().__init__(
            f"{failing} of {checked} messages break a rule that fails the check, and the bucket "
            f"lacks {missing} of {sampled} sampled recordings (allowed: {allowed_percent:g} %)."
            f"{unasked} Everything is written, nothing was repaired: the artifact `check-quality` "
            "names the rules, `audio_ops.quarantine` each message with what was observed.",
            failing,
            checked,
            missing,
            sampled,
            allowed_percent,
            bucket_problem,
        )


class AnalysesBroken(KaiwaError):
    """Analyses just written break rules of data quality, so the run must not end green."""

    def __init__(self, broken: int, analyzed: int, rules: tuple[str, ...]) -> None:
        self.broken, self.analyzed, self.rules = broken, analyzed, rules
        super().__init__(
            f"{broken} of {analyzed} analyses break rules of data quality: {', '.join(rules)}. "
            "They are written and set aside; `audio_ops.quarantine` says what was observed. Mend "
            "what wrote them, then analyse these messages again.",
            broken,
            analyzed,
            rules,
        )


class RunIncomplete(KaiwaError):
    """Part of the work failed, so the run must not end green."""

    def __init__(self, failed: int, total: int, broken_chunks: int, allowed_percent: float) -> None:
        self.failed, self.total = failed, total
        self.broken_chunks, self.allowed_percent = broken_chunks, allowed_percent
        broken = (
            f" Chunks that broke off, for later runs to take up: {broken_chunks}."
            if broken_chunks
            else ""
        )
        super().__init__(
            f"{failed} of {total} messages were not analysed (allowed: {allowed_percent:g} %)."
            f"{broken} Everything else is written. The artifact `analyze-messages` counts the "
            "causes, and each failed message says why in `audio_processing_error`.",
            failed,
            total,
            broken_chunks,
            allowed_percent,
        )


class BackfillUnknown(KaiwaError):
    """No backfill has this number."""

    def __init__(self, backfill_id: int) -> None:
        self.backfill_id = backfill_id
        super().__init__(
            f"There is no backfill {backfill_id}. `audio_ops.backfill` lists all of them.",
            backfill_id,
        )


class BackfillClosed(KaiwaError):
    """Nothing more is done with this backfill."""

    def __init__(self, backfill_id: int, state: str) -> None:
        self.backfill_id, self.state = backfill_id, state
        super().__init__(
            f"Backfill {backfill_id} {state}. Start a new one, with a reason of its own.",
            backfill_id,
            state,
        )


class EngineChanged(KaiwaError):
    """A backfill is for another version of the engine than the one that is installed here."""

    def __init__(self, backfill_id: int, wanted: str, installed: str) -> None:
        self.backfill_id, self.wanted, self.installed = backfill_id, wanted, installed
        super().__init__(
            f"Backfill {backfill_id} is for {wanted}; here {installed} is installed. Run it on "
            "workers with that version, or undo it and start a new one.",
            backfill_id,
            wanted,
            installed,
        )


class BackfillNotApproved(KaiwaError):
    """The first sample changed so much that a person must approve the rest, and nobody did."""

    def __init__(self, backfill_id: int, reason: str, answer: str) -> None:
        self.backfill_id, self.reason, self.answer = backfill_id, reason, answer
        super().__init__(
            f"Backfill {backfill_id} did not go on: {reason}, and {answer}. The first sample is "
            "written; undo it with undo-backfill, or run this again with "
            f"resume {backfill_id} and dry_run off.",
            backfill_id,
            reason,
            answer,
        )


class BackfillStopped(KaiwaError):
    """A backfill was stopped before all was done."""

    def __init__(self, backfill_id: int, still_open: int) -> None:
        self.backfill_id, self.still_open = backfill_id, still_open
        super().__init__(
            f"Backfill {backfill_id} was stopped with {still_open} messages to be done. To go on, "
            f"run this again with resume {backfill_id} and dry_run off.",
            backfill_id,
            still_open,
        )


class BackfillStalled(KaiwaError):
    """The workers of a backfill end again and again, and nothing gets done."""

    def __init__(self, backfill_id: int, still_open: int, ended: int) -> None:
        self.backfill_id, self.still_open, self.ended = backfill_id, still_open, ended
        super().__init__(
            f"Backfill {backfill_id}: {ended} workers were started and not one more message got "
            f"done; {still_open} are left. Their runs of work-on-backfill say why; or no worker "
            "has a free place. Mend that, and run this again with "
            f"resume {backfill_id} and dry_run off.",
            backfill_id,
            still_open,
            ended,
        )


class BackfillIncomplete(KaiwaError):
    """Part of a backfill could not be analysed."""

    def __init__(
        self, backfill_id: int, failed: int, selected: int, allowed_percent: float
    ) -> None:
        self.backfill_id, self.failed, self.selected = backfill_id, failed, selected
        self.allowed_percent = allowed_percent
        super().__init__(
            f"Backfill {backfill_id}: {failed} of {selected} messages could not be analysed; at "
            f"most {allowed_percent:g} % may. Its report says why; analyses that had worked still "
            "stand. Mend the cause and run the same selection again, with another reason: only "
            "what failed is taken then.",
            backfill_id,
            failed,
            selected,
            allowed_percent,
        )
