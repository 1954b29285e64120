"""The platform itself, local: Runpod's control plane, job API and routing, in one process, on loopback.

It runs no user code. Workers do, in processes or containers of their own, made by a launcher.
"""
