-- Writes what providers reported. The rows are locked already, in the order of their ids, and as they were found.
-- "receipt_until" stays: it is how a receipt that comes twice is known again.
UPDATE notify_delivery d
   SET status = v.status,
       provider = v.provider,
       error_code = v.error_code,
       error_detail = v.error_detail,
       delivered_at = v.delivered_at,
       finished_at = %(now)s,
       sent_at = coalesce(d.sent_at, v.delivered_at),
       receipt_until = coalesce(d.receipt_until, %(now)s),
       lease = NULL,
       lease_until = NULL
  FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(providers)s::text[], %(error_codes)s::text[],
              %(error_details)s::text[], %(delivered_ats)s::timestamptz[])
       AS v (id, status, provider, error_code, error_detail, delivered_at)
 WHERE d.id = v.id AND d.id >= %(first)s AND d.id <= %(last)s
