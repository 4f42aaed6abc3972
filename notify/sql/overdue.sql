-- Looks through a part of what is due in a lane, in the order of notify_delivery_due from a place on, for what is over
-- its deadline. Only a part: a lane may hold a million rows, and there is no index on deadlines. Returns the ids, how
-- many rows were read, and the place of the last.
-- %(application_id)s and %(due_at)s are where the last look ended; rows due at that very moment are read again.
WITH part AS MATERIALIZED (
    SELECT x.id, x.application_id, x.due_at, x.deadline <= %(now)s OR x.step_deadline <= %(now)s AS is_over
      FROM notify_delivery x
     WHERE x.lane = %(lane)s AND x.status IN ('queued', 'scheduled') AND x.id >= %(floor)s AND x.id < %(ceiling)s
       AND (x.application_id, x.due_at) >= (%(application_id)s, %(due_at)s::timestamptz) AND x.due_at <= %(now)s
     ORDER BY x.application_id, x.due_at
     LIMIT %(read)s
)
SELECT ARRAY(SELECT id FROM part WHERE is_over LIMIT %(limit)s),
       (SELECT count(*) FROM part),
       (SELECT application_id FROM part ORDER BY application_id DESC, due_at DESC LIMIT 1),
       (SELECT due_at FROM part ORDER BY application_id DESC, due_at DESC LIMIT 1)
