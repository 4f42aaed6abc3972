-- What is being sent can't be called back, but it can be kept from being tried again or on another channel.
UPDATE notify_delivery d
   SET cancel_requested = true
 WHERE (d.notification_id = ANY (%(notification_ids)s) OR d.batch_id = %(batch_id)s) AND d.kind = 0
   AND d.status = 'sending' AND NOT d.cancel_requested AND d.id >= %(first)s
RETURNING d.id, d.notification_id, d.channel
