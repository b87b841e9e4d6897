TEMPLATES = {}
CALLS = {}
EMIT = {}
