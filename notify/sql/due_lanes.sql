-- Which lanes have work that is due, since when, and when they were last seen moving: a loose index scan over the lanes,
-- and in each over its applications. Pulses are dated by the database's clock: the last column is translated into that
-- of the caller, by how long ago it was.
WITH RECURSIVE lanes AS (
    (SELECT d.lane
       FROM notify_delivery d
      WHERE d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s AND d.id < %(ceiling)s
      ORDER BY d.lane
      LIMIT 1)
    UNION ALL
    SELECT (SELECT d.lane
              FROM notify_delivery d
             WHERE d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s AND d.id < %(ceiling)s AND d.lane > l.lane
             ORDER BY d.lane
             LIMIT 1)
      FROM lanes l
     WHERE l.lane IS NOT NULL
), waiting AS (
    SELECT l.lane,
           (SELECT min(d.application_id) FROM notify_delivery d
             WHERE d.lane = l.lane AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s) AS application_id
      FROM lanes l
     WHERE l.lane IS NOT NULL
    UNION ALL
    SELECT w.lane,
           (SELECT min(d.application_id) FROM notify_delivery d
             WHERE d.lane = w.lane AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s AND d.application_id > w.application_id)
      FROM waiting w
     WHERE w.application_id IS NOT NULL
), heads AS (
    SELECT w.lane,
           (SELECT min(d.due_at) FROM notify_delivery d
             WHERE d.lane = w.lane AND d.application_id = w.application_id AND d.status IN ('queued', 'scheduled')
               AND d.id >= %(floor)s AND d.id < %(ceiling)s) AS due_at
      FROM waiting w
     WHERE w.application_id IS NOT NULL
)
SELECT h.lane, min(h.due_at), %(now)s - (clock_timestamp() - p.seen_at)
  FROM heads h
  LEFT JOIN notify_lanepulse p ON p.lane = h.lane
 WHERE h.due_at <= %(now)s
 GROUP BY h.lane, p.seen_at
 ORDER BY min(h.due_at)
