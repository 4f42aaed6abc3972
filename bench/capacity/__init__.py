"""How much of everything a target needs: ``python -m bench.capacity``.

What one message costs is measured (``make bench BENCH=capacity``, and the other measures' figures); what follows from
it is computed. Waiting for providers is a queue: Erlang's formula where it holds, and a simulation for what no formula
says (drains that claim in parts, places kept free for what is urgent, shares of applications). Both are checked against
measured runs of the product, and the error is part of the result.
"""
