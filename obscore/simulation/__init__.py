"""A small simulated archive in the format of real gamma-ray observations (GADF DL3), made offline.

`sky` says what is observed and when, `instrument` what the responses are, `events` draws the events,
`files` writes them, `archive` puts the archive together.
"""
