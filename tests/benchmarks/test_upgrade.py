from benchmarks.upgrade_tables import make_app
from migrations import run


def test_the_measured_database_is_the_apps_after_its_migration_0023(postgres, administrator):
    make_app(postgres, 1000, "measured")
    try:
        seen = run.preview(postgres.url("measured"))
    finally:
        administrator.execute("DROP DATABASE measured WITH (FORCE)")
    assert seen.live.tables["messages"].columns["audio_duration_ms"].type == "text"
    assert [step.what.partition(":")[0] for step in seen.steps] == [
        "Change messages",
        "Build the index audio_ops_messages_expiring_idx",
        "Build the index audio_ops_messages_overwritten_idx",
        "Build the index audio_ops_messages_waiting_idx",
    ]
    assert sum(one.count for one in seen.survey.texts) == 40
    assert sum(index.table == "messages" for index in seen.live.indexes.values()) == 21
