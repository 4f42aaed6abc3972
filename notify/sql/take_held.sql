-- Takes deliveries that are held for a person, under a lease that ends with the caller's transaction. Whoever comes at
-- the same time waits, and then finds them decided on.
UPDATE notify_delivery d
   SET status = 'sending', lease = %(lease)s, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
 WHERE d.id = ANY (ARRAY(
           SELECT x.id
             FROM notify_delivery x
            WHERE x.id = ANY (%(ids)s) AND x.id >= %(first)s AND x.id <= %(last)s AND x.status || '' = 'held'
            ORDER BY x.id
              FOR UPDATE))
   AND d.id >= %(first)s AND d.id <= %(last)s
