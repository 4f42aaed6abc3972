-- Cancels what is not yet handed to anybody. What is being sent can't be called back, but it can be kept from being
-- tried again or on another channel. It waits for rows that somebody has in an open transaction, such as a claim, and
-- takes them as they are then: hence no SKIP LOCKED. In the order of their ids, so that two of these never wait for
-- each other.
UPDATE notify_delivery d
   SET status = CASE d.status WHEN 'sending' THEN d.status ELSE 'cancelled' END,
       finished_at = CASE d.status WHEN 'sending' THEN d.finished_at ELSE %(now)s END,
       cancel_requested = d.status = 'sending'
 WHERE d.id = ANY (ARRAY(
           SELECT x.id
             FROM notify_delivery x
            WHERE (x.notification_id = ANY (%(notification_ids)s) OR x.id = ANY (%(delivery_ids)s)
                   OR x.batch_id = %(batch_id)s) AND x.kind = 0
              AND x.status IN ('queued', 'scheduled', 'sending') AND NOT (x.status = 'sending' AND x.cancel_requested)
              AND x.id >= %(first)s
            ORDER BY x.id
              FOR UPDATE))
   AND d.id >= %(first)s
RETURNING d.id, d.notification_id, d.channel, d.status
