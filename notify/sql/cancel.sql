-- Cancels what is not yet handed to anybody.
UPDATE notify_delivery d
   SET status = 'cancelled', finished_at = %(now)s
 WHERE d.id = ANY (ARRAY(
           SELECT x.id
             FROM notify_delivery x
            WHERE (x.notification_id = ANY (%(notification_ids)s) OR x.batch_id = %(batch_id)s) AND x.kind = 0
              AND x.status IN ('queued', 'scheduled') AND x.id >= %(first)s
              FOR UPDATE SKIP LOCKED))
   AND d.id >= %(first)s
RETURNING d.id, d.notification_id, d.channel
