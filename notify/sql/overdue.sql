-- Claims deliveries that nobody came for before their deadline (their lane stands still), to account for them.
UPDATE notify_delivery d
   SET status = 'sending', lease = %(lease)s, lease_until = %(lease_until)s
 WHERE d.id = ANY (ARRAY(
           SELECT x.id
             FROM notify_delivery x
            WHERE x.lane = %(lane)s AND x.status IN ('queued', 'scheduled') AND x.due_at <= %(now)s
              AND (x.deadline <= %(now)s OR x.step_deadline <= %(now)s) AND x.id >= %(floor)s AND x.id < %(ceiling)s
            LIMIT %(limit)s
              FOR UPDATE SKIP LOCKED))
   AND d.id >= %(floor)s AND d.id < %(ceiling)s
RETURNING d.id, d.notification_id, d.application_id, d.batch_id, d.kind, d.channel, d.lane, d.step, d.address,
          d.payload, d.is_test, d.due_at, d.deadline, d.step_deadline, d.attempts, d.waits, d.replays,
          d.created_at
