-- Brings deliveries at an end back, with the attempts they had. What is alive can't be brought back.
UPDATE notify_delivery d
   SET status = 'queued', due_at = %(now)s, deadline = %(deadline)s, step_deadline = NULL, waits = 0, cancel_requested = false,
       replays = d.replays + 1, error_code = '', error_detail = '', finished_at = NULL
 WHERE d.id = ANY (%(ids)s) AND d.id >= %(first)s AND d.id <= %(last)s AND d.status = ANY (%(from_statuses)s)
RETURNING d.id, d.lane
