-- Lets deliveries of one lane that wait for another look do so now: those that failed, or were held, and not by their
-- own recipient's server nor because somebody asked for patience. A part of the lane: application by application by a
-- loose index scan over notify_delivery_due, in each from a place on, so that neither a backlog that is due already nor
-- what is scheduled for later is read; with "tests" only what test keys sent is hastened. Returns how many are hastened,
-- how many rows were read, and the place of the last.
WITH RECURSIVE waiting AS (
    (SELECT d.application_id
       FROM notify_delivery d
      WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s AND d.id < %(ceiling)s
        AND d.application_id >= %(application_id)s
      ORDER BY d.application_id
      LIMIT 1)
    UNION ALL
    SELECT (SELECT d.application_id
              FROM notify_delivery d
             WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s AND d.application_id > w.application_id
             ORDER BY d.application_id
             LIMIT 1)
      FROM waiting w
     WHERE w.application_id IS NOT NULL
), part AS MATERIALIZED (
    SELECT p.id, p.application_id, p.due_at, p.may
      FROM waiting w,
           LATERAL (SELECT d.id, d.application_id, d.due_at,
                           d.status = 'queued' AND d.attempts + d.waits > 0 AND d.error_code <> ALL (%(patient)s)
                           AND (d.is_test OR NOT %(tests)s) AS may
                      FROM notify_delivery d
                     WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
                       AND d.id < %(ceiling)s AND d.application_id = w.application_id
                       AND d.due_at > CASE w.application_id WHEN %(application_id)s
                                      THEN greatest(%(due_at)s::timestamptz, %(soon)s::timestamptz)
                                      ELSE %(soon)s::timestamptz END
                       AND d.due_at <= %(until)s
                     ORDER BY d.due_at
                     LIMIT %(read)s) p
     WHERE w.application_id IS NOT NULL
     LIMIT %(read)s
), hastened AS (
    -- By their ids, as they are: "|| ''" keeps PostgreSQL from looking for them by their status.
    UPDATE notify_delivery d
       SET due_at = %(now)s + random() * make_interval(secs => %(spread_s)s)
     WHERE d.id = ANY (ARRAY(SELECT x.id
                               FROM notify_delivery x
                              WHERE x.id = ANY (ARRAY(SELECT part.id FROM part WHERE part.may))
                                AND x.id >= %(floor)s AND x.id < %(ceiling)s
                                AND x.status || '' = 'queued' AND x.due_at > %(soon)s
                                FOR UPDATE SKIP LOCKED))
       AND d.id >= %(floor)s AND d.id < %(ceiling)s
 RETURNING 1
)
SELECT (SELECT count(*) FROM hastened),
       (SELECT count(*) FROM part),
       (SELECT application_id FROM part ORDER BY application_id DESC, due_at DESC LIMIT 1),
       (SELECT due_at FROM part ORDER BY application_id DESC, due_at DESC LIMIT 1)
