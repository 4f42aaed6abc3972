-- Writes what became of claimed deliveries. Rows whose lease has passed to somebody else are left alone, and are
-- missing from what is returned. What was cancelled while it was being sent is not tried again.
-- "status || ''": found by their keys, never by the index of leases, which holds all that is being sent.
UPDATE notify_delivery d
   SET status = CASE WHEN d.cancel_requested AND v.status = 'queued' THEN 'cancelled' ELSE v.status END,
       due_at = coalesce(v.due_at, d.due_at),
       attempts = d.attempts + v.used,
       waits = least(d.waits + v.waited, 30000),
       provider = CASE WHEN v.provider = '' THEN d.provider ELSE v.provider END,
       provider_message_id = v.provider_message_id,
       error_code = v.error_code,
       error_detail = v.error_detail,
       sent_at = coalesce(v.sent_at, d.sent_at),
       delivered_at = coalesce(v.delivered_at, d.delivered_at),
       finished_at = CASE WHEN d.cancel_requested THEN coalesce(v.finished_at, %(now)s) ELSE v.finished_at END,
       receipt_until = v.receipt_until,
       lease = NULL,
       lease_until = NULL
  FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(due_ats)s::timestamptz[], %(used)s::int[], %(waited)s::int[],
              %(providers)s::text[], %(provider_message_ids)s::text[], %(error_codes)s::text[],
              %(error_details)s::text[], %(sent_ats)s::timestamptz[], %(delivered_ats)s::timestamptz[],
              %(finished_ats)s::timestamptz[], %(receipt_untils)s::timestamptz[])
       AS v (id, status, due_at, used, waited, provider, provider_message_id, error_code, error_detail, sent_at,
             delivered_at, finished_at, receipt_until)
 WHERE d.id = v.id AND d.id >= %(first)s AND d.id <= %(last)s
   AND d.status || '' = 'sending' AND d.lease = %(lease)s
RETURNING d.id, d.cancel_requested
