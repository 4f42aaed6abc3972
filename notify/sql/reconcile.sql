-- Accepted against accounted for, since a time. What was accepted is counted from the notifications (one delivery for
-- each channel of route "all", at least one for "first") and from what batches promised; what became of it from the
-- deliveries, each in exactly one state. What was sent, and whose provider will say what becomes of it, is on its way
-- until he has, or nobody waits for it any more ("awaited").
WITH owed AS (
    SELECT n.id, n.batch_id,
           CASE n.route WHEN 'first' THEN 1 ELSE cardinality(n.channels) END AS deliveries
      FROM notify_notification n
     WHERE n.id >= %(since)s
), present AS (
    SELECT d.notification_id, d.status, coalesce(d.status = 'sent' AND d.receipt_until > now(), false) AS awaited, count(*) AS deliveries
      FROM notify_delivery d
     WHERE d.id >= %(since)s AND d.notification_id >= %(since)s AND d.kind = 0
     GROUP BY d.notification_id, d.status, awaited
), per_notification AS (
    SELECT notification_id, sum(deliveries) AS deliveries FROM present GROUP BY notification_id
), promised AS (
    SELECT coalesce(sum(greatest(b.accepted - coalesce(counted.notifications, 0), 0)), 0) AS missing
      FROM notify_batch b
      LEFT JOIN (SELECT batch_id, count(*) AS notifications FROM owed GROUP BY batch_id) counted
             ON counted.batch_id = b.id
     WHERE b.id >= %(since)s
)
SELECT CASE WHEN p.awaited THEN 'awaited' ELSE 'state' END, p.status, sum(p.deliveries)::bigint
  FROM present p GROUP BY p.awaited, p.status
UNION ALL
SELECT 'accepted', '', coalesce(sum(greatest(o.deliveries, coalesce(p.deliveries, 0))), 0)::bigint
  FROM owed o LEFT JOIN per_notification p ON p.notification_id = o.id
UNION ALL
SELECT 'orphans', '', count(*) FROM per_notification p WHERE NOT EXISTS (SELECT 1 FROM owed o WHERE o.id = p.notification_id)
UNION ALL
SELECT 'promised', '', missing::bigint FROM promised
UNION ALL
SELECT 'duplicates', '', count(*)
  FROM (SELECT a.delivery_id
          FROM notify_attempt a
         WHERE a.id >= %(since)s AND a.outcome IN ('sent', 'outcome_unknown')
         GROUP BY a.delivery_id
        HAVING count(*) > 1 AND count(*) FILTER (WHERE a.outcome = 'sent') > 0) d
