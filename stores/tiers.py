"""What a learner pays for, as the app reads it: his newest subscription.

The app orders by `updated_at`, the latest first; an empty one comes before all. `current_tier` is
an enum there: it is read as text, because Postgres hands an unknown type's values out as strings.
"""

_NEWEST_FIRST = "s.updated_at DESC, s.created_at DESC, s.id"
# Of the learner `c.user_id`; NULL without a subscription.
CURRENT_TIER = f"""(
            SELECT CAST(s.current_tier AS text) FROM subscriptions AS s
            WHERE s.user_id = c.user_id ORDER BY {_NEWEST_FIRST} LIMIT 1
        )"""  # noqa: S608 - ours
# One row for each learner who has subscribed: user_id, current_tier.
CURRENT_TIERS = f"""
    SELECT DISTINCT ON (s.user_id) s.user_id, CAST(s.current_tier AS text) AS current_tier
    FROM subscriptions AS s ORDER BY s.user_id, {_NEWEST_FIRST}"""  # noqa: S608 - ours
