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
