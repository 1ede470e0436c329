"""Operating the service: archives, TorchServe, the edge, and the client of TorchServe's HTTP APIs.

Nothing here imports torch: starting, stopping and asking for the state must be quick.
"""
