-- Claims deliveries, by their ids, that still wait and are over their deadline, to account for them.
UPDATE notify_delivery d
   SET status = 'sending', lease = %(lease)s, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
 WHERE d.id = ANY (ARRAY(
           SELECT x.id
             FROM notify_delivery x
            WHERE x.id = ANY (%(ids)s) AND x.id >= %(first)s AND x.id <= %(last)s
              AND x.status || '' IN ('queued', 'scheduled')
              AND (x.deadline <= %(now)s OR x.step_deadline <= %(now)s)
              FOR UPDATE SKIP LOCKED))
   AND d.id >= %(first)s AND d.id <= %(last)s
