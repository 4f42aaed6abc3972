-- Deliveries whose lease ran out: their worker died, or lost the database. What was handed over is unknown. Leases are
-- dated by the database's clock, and judged by it: no two hosts agree on the time.
-- Not judged while the server itself has been up for less than a lease: workers need that long to renew after a restart.
UPDATE notify_delivery d
   SET status = 'sending', lease = %(lease)s, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
 WHERE d.id = ANY (ARRAY(
           SELECT x.id
             FROM notify_delivery x
            WHERE x.status = 'sending' AND x.lease_until < statement_timestamp()
              AND x.id >= %(floor)s AND x.id < %(ceiling)s
              AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(grace_s)s)
            ORDER BY x.lease_until
            LIMIT %(limit)s
              FOR UPDATE SKIP LOCKED))
   AND d.id >= %(floor)s AND d.id < %(ceiling)s
