"""Every error says what happened and what to do, and survives pickling."""

import importlib
import inspect
import pickle
import pkgutil
from datetime import UTC, datetime

import pytest

from schema import errors

FACTS = {
    "InvalidKey": ("a/../b", "has no `..` segments"),
    "ObjectMissing": ("audio/u/c/m.wav",),
    "ObjectTooLarge": ("audio/u/c/m.wav", 200_000_000, 100_000_000),
    "StorageUnavailable": ("get an object", "SlowDown"),
    "StorageDenied": ("get an object", "AccessDenied"),
    "CredentialExpiryUnknown": (),
    "CredentialsExpired": (datetime(2025, 10, 13, 12, tzinfo=UTC),),
    "WrongBucket": ("kaiwa-audio",),
    "RecordingsMissing": ("kaiwa-audio", 600, 1000),
    "ReportsUnwritable": ("/var/lib/reports", "Permission denied"),
    "ListingOvertaken": (),
    "ListingIncomplete": (1000,),
    "ListingOutdated": (854, 20, 20),
    "MessagesMissing": (900, 1000, 50.0),
    "InventoryLost": (0, 1000),
    "WorkerNotReady": (1,),
    "ClusterUnavailable": ("tcp://dask:8786", "no scheduler answers there"),
    "ChunkLost": ("Attempted to run it on 4 different workers.",),
    "InvalidDatabaseUrl": (),
    "SessionNotUtc": ("Asia/Kathmandu",),
    "UnprovenBucket": ("audio", 3, 20),
    "SweepNotApproved": ("9 of 10 objects are due", "nobody answered for 8 hours"),
    "SweepIncomplete": (3, 1, "The bucket failed to delete objects: SlowDown."),
    "UnclearWindow": ("A window needs its beginning, `since`.",),
    "RulesUnanswered": (("storage_key", "quick_scores"),),
    "QualityTooLow": (3, 100, 2, 20, 1.0, "The bucket failed to read: timed out."),
    "ClockSkew": (75.0, 60.0),
    "NotAdoptable": (("The table messages is missing: this is not the app's database.",),),
    "LockNotGranted": ("Rename a column", "messages", ["pid 7 (app, psql, active, for 9 s)"]),
    "StepFailed": ("Rename a column", "42501", "must be owner of table messages"),
    "AppObjectsLost": (("audio_ops_messages_waiting_idx",),),
    "RowsHidden": (("messages",),),
    "AnalysesWouldGo": (3,),
    "DatabaseRefused": ("write signed URLs", "23514"),
    "FindingsDenied": (),
    "ChunksBroken": (1, 20),
    "HoldSubjectUnknown": ("user", "hana"),
    "HoldNotActive": (7,),
    "LearnerUnknown": (),
    "LearnerHeld": (2,),
    "ErasureIncomplete": (3, 1, 0),
    "PriceRefused": ("storage_usd_per_gb_month", -0.02),
    "NotYetMeasurable": (datetime(2125, 10, 13, 12, tzinfo=UTC), "is in the future"),
    "BackfillUnknown": (7,),
    "BackfillClosed": (7, "was undone"),
    "EngineChanged": (7, "kaiwa 2.0 (a)", "kaiwa 2.1 (a)"),
    "BackfillNotApproved": (7, "mean accuracy moved by +9.0 points", "nobody answered"),
    "BackfillStopped": (7, 100),
    "BackfillStalled": (7, 100, 6),
    "BackfillIncomplete": (7, 30, 100, 10.0),
    "AnalysesBroken": (1, 100, ("quick_scores", "timings_in_text")),
    "RunIncomplete": (3, 10, 1, 20.0),
}
BASES = {"KaiwaError", "StorageError"}
KINDS = {
    name: kind
    for module in pkgutil.iter_modules(errors.__path__, "schema.errors.")
    for name, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
    if kind.__module__ == module.name
}


def test_no_error_is_left_out_here():
    assert FACTS.keys() == KINDS.keys() - BASES


@pytest.mark.parametrize("name", sorted(FACTS))
def test_an_error_survives_pickling(name):
    error = KINDS[name](*FACTS[name])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_an_error_says_what_happened_and_what_to_do(name):
    text = str(KINDS[name](*FACTS[name]))
    assert text.endswith(".")
    assert len(text.split(". ")) >= 2 or "; " in text
