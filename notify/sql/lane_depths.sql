-- How many deliveries of each lane are due, and since when the first of them waits: a loose index scan over the lanes'
-- applications, so that it reads at most %(cap)s index entries of a lane, however deep the lane is.
-- %(floor)s and %(ceiling)s are literals, so partitions outside of them are pruned when the query is planned.
WITH RECURSIVE waiting AS (
    SELECT l.lane,
           (SELECT min(d.application_id) FROM notify_delivery d
             WHERE d.lane = l.lane AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s) AS application_id
      FROM unnest(%(lanes)s::text[]) AS l (lane)
    UNION ALL
    SELECT w.lane,
           (SELECT min(d.application_id) FROM notify_delivery d
             WHERE d.lane = w.lane AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s AND d.application_id > w.application_id)
      FROM waiting w
     WHERE w.application_id IS NOT NULL
), heads AS MATERIALIZED (
    SELECT w.lane, w.application_id,
           (SELECT min(d.due_at) FROM notify_delivery d
             WHERE d.lane = w.lane AND d.application_id = w.application_id AND d.status IN ('queued', 'scheduled')
               AND d.id >= %(floor)s AND d.id < %(ceiling)s) AS due_at
      FROM waiting w
     WHERE w.application_id IS NOT NULL
)
SELECT h.lane,
       (SELECT count(*)
          FROM (SELECT 1
                  FROM heads i,
                       LATERAL (SELECT 1
                                  FROM notify_delivery d
                                 WHERE d.lane = h.lane AND d.application_id = i.application_id
                                   AND d.status IN ('queued', 'scheduled') AND d.due_at <= %(now)s
                                   AND d.id >= %(floor)s AND d.id < %(ceiling)s
                                 ORDER BY d.due_at
                                 LIMIT %(cap)s) due
                 WHERE i.lane = h.lane AND i.due_at <= %(now)s
                 LIMIT %(cap)s) capped),
       min(h.due_at)
  FROM heads h
 WHERE h.due_at <= %(now)s
 GROUP BY h.lane
