from schema.facts.backfill import Rescored, RescoredMessage
from schema.facts.quality import BrokenRule
from stores.backfill import comparison
from stores.quality import quarantine


def test_scores_before_and_after_stand_side_by_side(
    add_scored, add_message, freeze, claim, write, engine
):
    message_id = add_scored(accuracy=60, fluency=70)
    add_message(audio_processing_state="analyzed")  # nothing to compare with
    number = freeze()
    write(claim(number), accuracy=80, fluency=65)
    with engine.connect() as connection:
        assert comparison.rescored(connection, number) == [
            Rescored("en", "accuracy", 60, 80, 1),
            Rescored("en", "fluency", 70, 65, 1),
        ]
        (found,) = comparison.most_changed(connection, number, limit=10)
    assert found == RescoredMessage(message_id, 60, 80, 70, 65)


def test_analyses_that_break_rules_since_the_backfill_began_are_counted(
    add_scored, freeze, claim, write, engine
):
    for _ in range(2):
        add_scored()
    number = freeze()
    write(claim(number))
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule("message-0", "quick_scores", "odd")])
        quarantine.set_aside(connection, [BrokenRule("message-1", "url_expiry", "odd")])
        rules = {"quick_scores", "timings_in_text"}
        assert comparison.broken_rules(connection, number, rules) == {"quick_scores": 1}
