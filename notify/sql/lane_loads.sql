-- How many deliveries of each lane are due, and how many of those were due at the time before (since) already: a loose
-- index scan over the lanes' applications, so that it reads at most a lane's cap of index entries.
-- %(floor)s and %(ceiling)s are literals, so partitions outside of them are pruned when the query is planned.
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT a.lane, a.cap, a.since
      FROM unnest(%(lanes)s::text[], %(caps)s::int[], %(sinces)s::timestamptz[]) AS a (lane, cap, since)
), waiting AS (
    SELECT a.lane,
           (SELECT min(d.application_id) FROM notify_delivery d
             WHERE d.lane = a.lane AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s) AS application_id
      FROM asked a
    UNION ALL
    SELECT w.lane,
           (SELECT min(d.application_id) FROM notify_delivery d
             WHERE d.lane = w.lane AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
               AND d.id < %(ceiling)s AND d.application_id > w.application_id)
      FROM waiting w
     WHERE w.application_id IS NOT NULL
), heads AS MATERIALIZED (
    SELECT w.lane, w.application_id FROM waiting w WHERE w.application_id IS NOT NULL
)
SELECT a.lane, counted.depth, counted.still
  FROM asked a,
       LATERAL (SELECT count(*) AS depth, count(*) FILTER (WHERE capped.due_at <= a.since) AS still
                  FROM (SELECT due.due_at
                          FROM heads h,
                               LATERAL (SELECT d.due_at
                                          FROM notify_delivery d
                                         WHERE d.lane = a.lane AND d.application_id = h.application_id
                                           AND d.status IN ('queued', 'scheduled') AND d.due_at <= %(at)s
                                           AND d.id >= %(floor)s AND d.id < %(ceiling)s
                                         ORDER BY d.due_at
                                         LIMIT a.cap) due
                         WHERE h.lane = a.lane
                         LIMIT a.cap) capped) counted
