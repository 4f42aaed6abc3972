-- Takes due deliveries of one lane, a share from every application that has some.
-- "waiting" is a loose index scan: PostgreSQL hops from one application to the next in notify_delivery_due instead of
-- reading one tenant's million rows (https://wiki.postgresql.org/wiki/Loose_indexscan).
-- What is due goes by the worker's clock, but never by one that is further ahead of the database's than %(ahead_s)s.
-- Partitions outside of %(floor)s and %(ceiling)s are pruned as each run begins: the plan is kept (see notify.claims).
WITH RECURSIVE clock AS MATERIALIZED (
    SELECT least(%(now)s, statement_timestamp() + make_interval(secs => %(ahead_s)s)) AS due_by
), waiting AS (
    (SELECT d.application_id
       FROM notify_delivery d
      WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s AND d.id < %(ceiling)s
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
), sharing AS MATERIALIZED (
    SELECT w.application_id,
           coalesce(a.share, CASE a.tier WHEN 'vip' THEN %(vip_share)s ELSE %(standard_share)s END)::float AS share
      FROM waiting w
      LEFT JOIN notify_application a ON a.id = w.application_id,
           -- LATERAL with a LIMIT, not EXISTS: that would become a join that reads the whole backlog.
           LATERAL (SELECT 1
                      FROM notify_delivery d
                     WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
                       AND d.id < %(ceiling)s AND d.application_id = w.application_id AND d.due_at <= (SELECT due_by FROM clock)
                     ORDER BY d.due_at
                     LIMIT 1) due
     WHERE w.application_id IS NOT NULL
), portions AS MATERIALIZED (
    SELECT application_id, share, ceil(%(limit)s * share / sum(share) OVER ())::int AS portion FROM sharing
), picked AS MATERIALIZED (
    SELECT p.id, portions.application_id
      FROM portions,
           LATERAL (SELECT d.id
                      FROM notify_delivery d
                     WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
                       AND d.id < %(ceiling)s AND d.application_id = portions.application_id AND d.due_at <= (SELECT due_by FROM clock)
                     ORDER BY d.due_at
                     LIMIT portions.portion
                       FOR UPDATE SKIP LOCKED) p
), more AS MATERIALIZED (
    -- What some portions left over goes to those that filled theirs, by their shares again. Then fewer than the limit
    -- were picked: saying so below lets PostgreSQL look them up in a hash.
    SELECT f.application_id, f.spare, ceil(f.spare * f.share / sum(f.share) OVER ())::int AS portion
      FROM (SELECT portions.application_id, portions.share,
                   greatest(%(limit)s - (SELECT count(*) FROM picked), 0) AS spare
              FROM portions
             WHERE portions.portion <= (SELECT count(*) FROM picked
                                         WHERE picked.application_id = portions.application_id)) f
     WHERE f.spare > 0
), filled AS MATERIALIZED (
    SELECT p.id
      FROM more,
           LATERAL (SELECT d.id
                      FROM notify_delivery d
                     WHERE d.lane = %(lane)s AND d.status IN ('queued', 'scheduled') AND d.id >= %(floor)s
                       AND d.id < %(ceiling)s AND d.application_id = more.application_id AND d.due_at <= (SELECT due_by FROM clock)
                       AND d.id NOT IN (SELECT id FROM picked LIMIT %(limit)s)
                     ORDER BY d.due_at
                     LIMIT more.portion
                       FOR UPDATE SKIP LOCKED) p
     LIMIT (SELECT max(spare) FROM more)
)
UPDATE notify_delivery d
   SET status = 'sending', lease = %(lease)s, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
 WHERE d.id = ANY (ARRAY(SELECT id FROM picked UNION ALL SELECT id FROM filled))
   AND d.id >= %(floor)s AND d.id < %(ceiling)s
