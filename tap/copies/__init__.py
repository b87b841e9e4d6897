"""Copies of published tables as Arrow files in the order of the sky, from which simple queries are answered.

A cone, a cross-match or a whole table needs no database: the rows of a region stand together in a file, so finding
them is a search in a sorted list and reading a few blocks.  `tap.adql.direct` finds out which queries are that simple
and makes a plan (plan.py); a query worker runs it (scan.py) on the file (layout.py), with the limits that all queries
have.  Whatever is not in a plan's vocabulary goes to the database as SQL.  keeper.py makes the files and removes them.
"""
