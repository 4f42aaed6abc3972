"""One module a provider's protocol. Reached through ``channels.registry`` and ``channels.gateway`` only."""
