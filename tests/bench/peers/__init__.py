"""The pipelines that Qala is measured beside: a hand-written one, Telegraf, and stock Faust.

Each is what its maker would call good practice; what it leaves out, the table says.
"""
