"""How long a deletion may be under way: from the proof of its locks to the end of its request.

Each request to delete, a repeated one too, is sent only if the database session that holds the
locks has just answered, and is given up after `REQUEST_SECONDS`. If the session ends meanwhile, its
locks are gone and the request may still succeed. So whoever needs to know waits `IN_FLIGHT_SECONDS`
and then asks the bucket (docs/adr/0106).
"""

# S3 deletes 1,000 objects within seconds. Far below the five minutes after which Postgres ends a
# session that is idle in a transaction (`stores.database`).
REQUEST_SECONDS = 30.0
# A proxy may have accepted a request and still be passing it on: by default, nginx and the load
# balancers of AWS wait 60 s for the server behind them.
PROXY_SECONDS = 60.0
# After a proof of its locks, no deletion is under way for longer than this.
IN_FLIGHT_SECONDS = REQUEST_SECONDS + PROXY_SECONDS
